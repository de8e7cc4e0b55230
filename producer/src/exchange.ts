import type { ProblemKind } from "@toril/contract/problem";
import type { MemoryBudget } from "./memory.ts";

/** One request and its answer, as every handler finds it, those of the framework in `c.env`. */
export class Exchange {
  readonly request: Request;
  readonly requestId: string;
  /** As it was sent: nothing in it is decoded. */
  readonly path: string;
  /** The bytes of a JSON body, for the fingerprint of an Idempotency-Key. */
  body: Uint8Array | undefined = undefined;
  /** For the log: what the answer was about. */
  jobId: string | undefined = undefined;
  problem: ProblemKind | undefined = undefined;
  readonly #memory: MemoryBudget;
  #heldBytes = 0;

  constructor(request: Request, requestId: string, path: string, memory: MemoryBudget) {
    this.request = request;
    this.requestId = requestId;
    this.path = path;
    this.#memory = memory;
  }

  /** Takes bytes of the memory that bodies may hold, until the answer; throws a problem when there are none left. */
  takeMemory(bytes: number): void {
    this.#memory.take(bytes);
    this.#heldBytes += bytes;
  }

  end(): void {
    if (this.#heldBytes > 0) this.#memory.giveBack(this.#heldBytes);
  }
}

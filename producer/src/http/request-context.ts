import type { ProblemKind } from "@toril/contract/api/problem";
import type { AuditTrail } from "../audit/audit.ts";
import type { Principal } from "../auth/principal.ts";
import type { MemoryBudget } from "./memory.ts";
import { type Charge, createCharge } from "../quotas/quota-reservation.ts";
import type { KeepResponse } from "../idempotency/keep-response.ts";
import type { RateLimit } from "@toril/contract/engine/quotas/key-quota";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";

export interface RequestContextSettings {
  requestId: string;
  path: string;
  memory: MemoryBudget;
  findQuota: FindQuota;
  /** Tells the address of whose request it is. */
  address(): string;
  peer: Peer;
}

/** The other side of a connection. */
export interface Peer {
  readonly address: string;
  /** For an answer that takes its time: the connection may be silent for so long, 255 s at most; for ever with 0. */
  keepOpen(seconds: number): void;
}

/** One request and its answer, as every handler finds it, those of the framework in `c.env`. */
export class RequestContext {
  readonly request: Request;
  readonly requestId: string;
  /** As it was sent: nothing in it is decoded. */
  readonly path: string;
  readonly address: () => string;
  /** The bytes of a JSON body, for the fingerprint of an Idempotency-Key. */
  body: Uint8Array | undefined = undefined;
  /** What else two requests must have in common for one to get the response to the other. */
  replayScope = "";
  /** Undefined when the response is not stored, or stored by the operation itself. */
  keepResponse: KeepResponse | undefined = undefined;
  /** For the log: what the answer was about. */
  jobId: string | undefined = undefined;
  problem: ProblemKind | undefined = undefined;
  /** How long it waited because it was asked to: nothing that tells how quick answers are. */
  waitedMs = 0;
  /** The span of this request, for the jobs that come of it. */
  traceparent: string | undefined = undefined;
  readonly #memory: MemoryBudget;
  readonly #findQuota: FindQuota;
  readonly #peer: Peer;
  #heldBytes = 0;
  #principal: Principal | undefined = undefined;
  #charge: Charge | undefined = undefined;
  #trail: AuditTrail | undefined = undefined;

  constructor(request: Request, settings: RequestContextSettings) {
    const { requestId, path, memory, findQuota, address, peer } = settings;
    this.request = request;
    this.requestId = requestId;
    this.path = path;
    this.address = address;
    this.#memory = memory;
    this.#findQuota = findQuota;
    this.#peer = peer;
  }

  /** Who asks. Throws where nobody was asked who they are. */
  get principal(): Principal {
    if (this.#principal === undefined) throw new Error("nobody was let in here");
    return this.#principal;
  }

  /** Undefined when nobody was let in. */
  get tenant(): string | undefined {
    return this.#principal?.tenant;
  }

  set principal(principal: Principal) {
    this.#principal = principal;
  }

  /** Draws on the quotas of who asks; undefined when there are none. */
  get charge(): Charge | undefined {
    const { id, quotas } = this.principal;
    if (quotas === null) return undefined;
    return (this.#charge ??= createCharge(this.#findQuota(id, quotas)));
  }

  /** What the answer says of quotas that it drew on. */
  get rateLimit(): RateLimit | undefined {
    return this.#charge?.left();
  }

  get isAudited(): boolean {
    return this.#trail !== undefined;
  }

  /** Where a change is noted. Throws for an operation that is none of an administrator's. */
  get trail(): AuditTrail {
    if (this.#trail === undefined) throw new Error("nothing is noted of this operation");
    return this.#trail;
  }

  set trail(trail: AuditTrail) {
    this.#trail = trail;
  }

  /** Takes bytes of the memory that bodies may hold, until the answer; throws a problem when there are none left. */
  takeMemory(bytes: number): void {
    this.#memory.take(bytes, this.principal);
    this.#heldBytes += bytes;
  }

  keepOpen(seconds: number): void {
    this.#peer.keepOpen(seconds);
  }

  /** Nothing of the body is needed any more. */
  end(): void {
    if (this.#heldBytes > 0) this.#memory.giveBack(this.#heldBytes, this.principal);
    this.#heldBytes = 0;
  }
}

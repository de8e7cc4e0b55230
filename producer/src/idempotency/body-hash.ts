import { createHash } from "node:crypto";
import { ProblemError } from "../http/problem.ts";

/** The prefix of the body that an earlier request sent. */
interface BodyPrefix {
  bytes: number;
  /** @param hash SHA-256 in hexadecimal */
  isSame(hash: string): boolean;
}

/** Hashes a body as it streams by. */
export class BodyHash {
  readonly #hash = createHash("sha256");
  #bytes = 0;
  #expected: BodyPrefix | undefined = undefined;

  /**
   * From now on `update` throws a problem if the body does not start with this prefix. Call it before the first
   * `update`.
   */
  expect(beginning: BodyPrefix): void {
    this.#expected = beginning;
    this.#verify();
  }

  update(part: Uint8Array): void {
    const missing = (this.#expected?.bytes ?? 0) - this.#bytes;
    const head = missing > 0 && missing < part.length ? missing : part.length;
    this.#add(part.subarray(0, head));
    this.#verify();
    this.#add(part.subarray(head));
  }

  /** Whether the body has matched the expected prefix, or none is expected. */
  get isVerified(): boolean {
    return this.#expected === undefined;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the hash of the bytes so far. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  #add(part: Uint8Array) {
    this.#hash.update(part);
    this.#bytes += part.length;
  }

  #verify() {
    if (this.#expected === undefined || this.#bytes < this.#expected.bytes) return;
    if (!this.#expected.isSame(this.digest())) throw new ProblemError("idempotency-key-reused");
    this.#expected = undefined;
  }
}

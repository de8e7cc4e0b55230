import type { ProblemKind } from "@toril/contract/problem";

/** What every handler can ask of its request's context. */
export interface AppEnv {
  Variables: {
    requestId: string;
    /** Takes bytes of the memory that bodies may hold; throws a problem when there are none left. */
    takeMemory(bytes: number): void;
    /** The bytes of a JSON body, for the fingerprint of an Idempotency-Key. */
    body: Uint8Array;
    /** For the log: what the answer was about. */
    jobId: string | undefined;
    problem: ProblemKind | undefined;
  };
}

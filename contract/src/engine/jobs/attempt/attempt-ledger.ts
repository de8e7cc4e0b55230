import type { Sql } from "postgres";

/** The ledger on behalf of attempts, which must not fail because Postgres is unavailable for a moment. */
export interface AttemptLedger {
  /**
   * Retries `work` until it succeeds or a final error (`isFinal`) occurs. A consumer waits without a limit, a producer
   * until the deadline of its requests; then the error of the last try is thrown.
   */
  retryUntilAvailable<Result>(
    work: (sql: Sql) => Promise<Result>,
    isFinal?: (error: unknown) => boolean,
  ): Promise<Result>;
}

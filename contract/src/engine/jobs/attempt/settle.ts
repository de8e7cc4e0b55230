import { runIsolating } from "../../batcher.ts";
import type { JobError } from "../../../api/jobs/job.ts";
import { isRowFault } from "../../postgres/errors.ts";
import { type BatchSize, createLedgerBatcher } from "./ledger-batcher.ts";
import { toJobError } from "./job-error.ts";
import type { AttemptLedger } from "./attempt-ledger.ts";
import {
  type CancelledAttempt,
  recordCancelled,
  settleJobs,
  type Settlement,
  type Settled,
} from "./ledger-settle.ts";

export type SettleOutcome =
  | Settled
  /** Postgres cannot store the result; the job is dead with `error`. */
  | { status: "unstorable"; error: JobError };

export interface Settler {
  /** Settles a job. Waits for Postgres as `AttemptLedger` does. */
  settle(settlement: Settlement): Promise<SettleOutcome>;
  /** Records the attempt during which a job was cancelled. */
  recordCancelled(attempt: CancelledAttempt): Promise<void>;
  drained(): Promise<void>;
}

export interface SettlerDeps {
  ledger: AttemptLedger;
  batch: BatchSize;
  /** Whether any webhook may exist; by default one may. */
  mayHaveWebhooks?(): boolean;
  /** Called after a batch was written, with its size and duration. */
  onBatch?(size: number, ms: number): void;
}

export function createSettler({
  ledger,
  batch,
  mayHaveWebhooks = () => true,
  onBatch,
}: SettlerDeps): Settler {
  const write = (part: readonly Settlement[]): Promise<SettleOutcome[]> =>
    ledger.retryUntilAvailable(
      (sql) => settleJobs(sql, part, { mayHaveWebhooks: mayHaveWebhooks() }),
      isRowFault,
    );

  const cancelled = createLedgerBatcher<CancelledAttempt, void>({
    ...batch,
    maxInFlight: 1,
    getBytes: ({ failures, log }) => (failures?.length ?? 0) + (log?.length ?? 0),
    async run(entries) {
      await ledger.retryUntilAvailable((sql) => recordCancelled(sql, entries), isRowFault);
      return entries.map(() => {});
    },
  });

  const { submit, drained } = createLedgerBatcher<Settlement, SettleOutcome>({
    ...batch,
    getBytes: ({ result, error }) => (result?.length ?? 0) + (error?.length ?? 0),
    async run(entries) {
      const startedAt = performance.now();
      const outcomes = await runIsolating(entries, write, isRowFault, (_, error) =>
        unstorable(error),
      );
      onBatch?.(entries.length, performance.now() - startedAt);
      return Promise.all(
        outcomes.map(async (outcome, index) => {
          const entry = entries[index];
          if (outcome.status !== "unstorable" || entry === undefined) return outcome;
          return settleDead(entry, outcome);
        }),
      );
    },
  });

  async function settleDead(entry: Settlement, outcome: SettleOutcome & { status: "unstorable" }) {
    const [settled] = await write([
      { ...entry, status: "dead", result: null, error: JSON.stringify(outcome.error) },
    ]);
    return settled?.status === "already-settled" ? settled : outcome;
  }

  return {
    settle: submit,
    recordCancelled: cancelled.submit,
    async drained() {
      await Promise.all([drained(), cancelled.drained()]);
    },
  };
}

function unstorable(cause: unknown): SettleOutcome & { status: "unstorable" } {
  const { message } = toJobError(cause);
  return {
    status: "unstorable",
    error: { name: "ResultNotStorable", message: `The result cannot be stored: ${message}` },
  };
}

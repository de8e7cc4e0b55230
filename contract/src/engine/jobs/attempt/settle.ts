import { runIsolating } from "../../batcher.ts";
import type { JobError } from "../../../api/jobs/job.ts";
import { isRowFault } from "../../postgres/errors.ts";
import { type BatchSize, createLedgerBatcher } from "./ledger-batcher.ts";
import { toJobError } from "./job-error.ts";
import type { AttemptLedger } from "./attempt-ledger.ts";
import { settleJobs, settlePlainJobs, type Settlement, type Settled } from "./ledger-settle.ts";
import { type CancelledAttempt, recordCancelled } from "./record-cancelled.ts";

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
      const plain = await settlePlain(entries);
      const others = await settleOthers(entries.filter((entry) => !plain.has(entry)));
      onBatch?.(entries.length, performance.now() - startedAt);
      return entries.flatMap((entry): SettleOutcome | readonly [] =>
        plain.has(entry) ? { status: "settled" } : (others.get(entry) ?? []),
      );
    },
  });

  let batchesToSkip = 0;

  /** Settles plain jobs, unless a recent batch had other jobs: two statements cost more than one. */
  async function settlePlain(entries: readonly Settlement[]): Promise<ReadonlySet<Settlement>> {
    if (mayHaveWebhooks()) return none;
    if (batchesToSkip > 0) {
      batchesToSkip -= 1;
      return none;
    }
    try {
      const settled = await ledger.retryUntilAvailable(
        (sql) => settlePlainJobs(sql, entries),
        isRowFault,
      );
      if (settled.size < entries.length) batchesToSkip = 20;
      return settled;
    } catch (error) {
      if (isRowFault(error)) return none;
      throw error;
    }
  }

  async function settleOthers(entries: readonly Settlement[]) {
    const settled = new Map<Settlement, SettleOutcome>();
    if (entries.length === 0) return settled;
    const outcomes = await runIsolating(entries, write, isRowFault, (_, error) =>
      unstorable(error),
    );
    for (const [index, entry] of entries.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) continue;
      const isUnstorable = outcome.status === "unstorable";
      settled.set(entry, isUnstorable ? await settleDead(entry, outcome) : outcome);
    }
    return settled;
  }

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

const none: ReadonlySet<Settlement> = new Set();

function unstorable(cause: unknown): SettleOutcome & { status: "unstorable" } {
  const { message } = toJobError(cause);
  return {
    status: "unstorable",
    error: { name: "ResultNotStorable", message: `The result cannot be stored: ${message}` },
  };
}

import { runIsolating } from "@toril/contract/engine/batcher";
import { isLockTimeout, isRowFault, isTransient } from "@toril/contract/engine/postgres/errors";
import type { ISql } from "postgres";
import {
  type BatchSize,
  createLedgerBatcher,
} from "@toril/contract/engine/jobs/attempt/ledger-batcher";
import type { RetryingLedger } from "../stores/retrying-ledger.ts";

export interface UpsertDeps {
  ledger: RetryingLedger;
  batch: BatchSize;
}

export interface UpsertTable<Row, Outcome> {
  /** Rows with the same key must not share a statement. */
  toKey(row: Row): string;
  getBytes(row: Row): number;
  /** Writes rows in one statement. `rows` are sorted by unique keys; returns one outcome per row, in order. */
  write(sql: ISql, rows: readonly Row[]): Promise<readonly Outcome[]>;
}

type Written<Outcome> = { status: "ok"; outcome: Outcome } | { status: "failed"; error: unknown };

/**
 * Upserts rows of many jobs in one statement. Waits for Postgres without a limit; rejects for a row that Postgres
 * cannot store.
 */
export function createUpsert<Row, Outcome>(
  { ledger, batch }: UpsertDeps,
  { toKey, getBytes, write: writeRows }: UpsertTable<Row, Outcome>,
): (row: Row) => Promise<Outcome> {
  async function writePart(rows: readonly Row[]): Promise<Written<Outcome>[]> {
    const outcomes = await ledger.retryUntilAvailable((sql) => writeRows(sql, rows), isFinal);
    return outcomes.map((outcome) => ({ status: "ok", outcome }));
  }

  const { submit: write } = createLedgerBatcher<Row, Written<Outcome>>({
    ...batch,
    getBytes,
    async run(rows) {
      const written = new Map<Row, Written<Outcome>>();
      for (const round of toRounds(rows, toKey)) {
        const outcomes = await runIsolating(round, writePart, isRowFault, failed);
        for (const [index, outcome] of outcomes.entries()) {
          const row = round[index];
          if (row !== undefined) written.set(row, outcome);
        }
      }
      return rows.map((row) => written.get(row) ?? failed(row, new Error("a row was not written")));
    },
  });

  return async (row) => {
    const written = await write(row);
    if (written.status === "failed") throw written.error;
    return written.outcome;
  };
}

/** One statement cannot write a row twice; statements that lock rows in the same order do not deadlock. */
function toRounds<Row>(rows: readonly Row[], toKey: (row: Row) => string): Row[][] {
  const rounds: Map<string, Row>[] = [];
  for (const row of rows) {
    const key = toKey(row);
    let round = rounds.find((candidate) => !candidate.has(key));
    if (round === undefined) rounds.push((round = new Map()));
    round.set(key, row);
  }
  return rounds.map((round) =>
    [...round].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row),
  );
}

function failed(_row: unknown, error: unknown): { status: "failed"; error: unknown } {
  return { status: "failed", error };
}

function isFinal(error: unknown) {
  return !isTransient(error) && !isLockTimeout(error);
}

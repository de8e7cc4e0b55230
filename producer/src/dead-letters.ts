import type { ISql } from "postgres";
import type { Reach } from "@toril/contract/change/select";
import {
  type DeadLetter,
  type DeadLetterSummary,
  type InspectedDeadLetter,
  PastEnd,
} from "@toril/contract/dead-letter";
import { queueOf } from "@toril/contract/jobs";
import type { Ledger } from "@toril/contract/ledger/pool";
import { labelTerm } from "@toril/contract/terms";
import { type JobRow, jobColumns } from "./read-jobs.ts";
import { shownData } from "./shown-data.ts";

export interface DeadLetterRow extends JobRow {
  reason: string | null;
  settledAt: Date;
  history: unknown;
}

export interface DeadLetterFilter {
  tenant: string;
  /** Older than the job with this id. */
  before?: string | undefined;
  type?: string | undefined;
  queue?: string | undefined;
  reason?: string | undefined;
  label?: string | undefined;
  reach: Reach;
}

export interface DeadLetters {
  find(tenant: string, id: string): Promise<DeadLetterRow | undefined>;
  /** Newest first. */
  list(filter: DeadLetterFilter, limit: number): Promise<DeadLetterRow[]>;
  summarize(tenant: string, reach: Reach): Promise<DeadLetterSummary>;
  /** Of these ids, those of dead letters. */
  known(tenant: string, reach: Reach, ids: readonly string[]): Promise<ReadonlySet<string>>;
}

const maxGroups = 500;

export function createDeadLetters(ledger: Pick<Ledger, "run">): DeadLetters {
  return {
    find: (tenant, id) =>
      ledger.run(async (sql) => {
        const [row] = await sql<DeadLetterRow[]>`
          select ${deadColumns(sql)} from jobs where id = ${id} and tenant = ${tenant} and status = 'dead'`;
        return row;
      }),
    list: ({ tenant, before, type, queue, reason, label, reach }, limit) =>
      ledger.run(
        (sql) => sql<DeadLetterRow[]>`
          select ${deadColumns(sql)} from jobs
          where tenant = ${tenant} and status = 'dead'
            ${before ? sql`and id < ${before}` : sql``}
            ${type ? sql`and type = ${type}` : sql``} ${queue ? sql`and queue = ${queue}` : sql``}
            ${reason ? sql`and reason = ${reason}` : sql``}
            ${
              label
                ? sql`and exists (
                    select from job_terms
                    where tenant = ${tenant} and term = ${labelTerm(label)} and job_id = jobs.id)`
                : sql``
            }
            ${within(sql, reach)}
          order by id desc limit ${limit}`,
      ),
    summarize: (tenant, { queues, types }) =>
      ledger.run(async (sql) => {
        // Of the queues a type's own: with them in the index it would be twice as large.
        const isReached = (type: string) =>
          (!types || types.includes(type)) && (!queues || queues.includes(queueOf(type)));
        const groups = await sql<DeadLetterSummary["groups"]>`
          select type, reason, count(*)::int as count from jobs
          where tenant = ${tenant} and status = 'dead'
          group by type, reason order by count(*) desc, type, reason limit ${maxGroups + 1}`;
        const reached = groups.filter(({ type }) => isReached(type));
        return { groups: reached.slice(0, maxGroups), isComplete: groups.length <= maxGroups };
      }),
    known: (tenant, reach, ids) =>
      ledger.run(async (sql) => {
        const rows = await sql<{ id: string }[]>`
          select id from jobs
          where id = any(${[...ids]}::uuid[]) and tenant = ${tenant} and status = 'dead' ${within(sql, reach)}`;
        return new Set(rows.map(({ id }) => id));
      }),
  };
}

function deadColumns(sql: ISql) {
  return sql`${jobColumns(sql)}, reason, history`;
}

function within(sql: ISql, { queues, types }: Reach) {
  return sql`
    ${queues ? sql`and queue = any(${[...queues]}::text[])` : sql``}
    ${types ? sql`and type = any(${[...types]}::text[])` : sql``}`;
}

export function toDeadLetter(row: DeadLetterRow): DeadLetter {
  const { id, type, queue, key, importId, schedule, labels, reason, error } = row;
  return {
    id,
    type,
    queue,
    key,
    importId,
    schedule,
    labels: labels ?? [],
    reason,
    error,
    attempts: { made: row.attempts, max: row.options.attempts },
    createdAt: row.createdAt.toISOString(),
    settledAt: row.settledAt.toISOString(),
  };
}

export function toInspected(row: DeadLetterRow): InspectedDeadLetter {
  return { ...toDeadLetter(row), data: shownData(row), history: historyOf(row) };
}

function historyOf({ history }: DeadLetterRow): PastEnd[] {
  return ((history ?? []) as PastEnd[]).map((end) =>
    PastEnd.parse({ ...end, settledAt: new Date(end.settledAt).toISOString() }),
  );
}

import type { JobColumns } from "../../postgres/tables.ts";
import { graphColumns, recordGraphEvents, recordImportEnds } from "../graph/graph-events.ts";
import { toDeadLetterReason } from "../change/reason.ts";
import { bullId } from "../../redis/names.ts";
import type { JobStatus, SettlingOutcome } from "../../../api/jobs/job-states.ts";
import { JobError } from "../../../api/jobs/job.ts";
import {
  countedImportColumns,
  endedJobColumns,
  importEvents,
  jobEvents,
} from "../../webhooks/record-events.ts";
import { type AddParameter, runStatement } from "../../postgres/statement.ts";
import type { ISql } from "postgres";

/** Final outcome of a job. */
export interface Settlement {
  id: string;
  generation: number;
  status: SettlingOutcome;
  /** Total attempts. */
  attempts: number;
  /** Start of the last attempt; undefined for a job that never started. */
  startedAt?: Date | undefined;
  durationMs?: number | undefined;
  worker?: string | null | undefined;
  /** JSON text. */
  result: string | null;
  /** JSON text of a `JobError`. */
  error: string | null;
  /** JSON text of `AttemptError`s; null when no attempt failed. */
  failures?: string | null;
  /** JSON text of `JobLogLine`s; null when the handler logged nothing. */
  log?: string | null;
}

export type Settled =
  | { status: "settled" }
  /** Nothing changed. `recorded` is the job's status; undefined when the ledger does not know the job. */
  | { status: "already-settled"; recorded: JobStatus | undefined };

export interface SettleOptions {
  /** False if no webhook exists: the statement then records no events. */
  mayHaveWebhooks?: boolean;
}

/**
 * Settles jobs that are pending in the given generation, updates the counters of their imports and records the events
 * of webhooks. Returns one outcome per entry, in order; of two entries for the same generation the first wins.
 */
export async function settleJobs(
  sql: ISql,
  entries: readonly Settlement[],
  { mayHaveWebhooks = true }: SettleOptions = {},
): Promise<Settled[]> {
  const first = new Map<string, Settlement>();
  for (const entry of entries) {
    const key = toKey(entry);
    if (!first.has(key)) first.set(key, entry);
  }
  const settled = await settlePending(sql, [...first.values()], mayHaveWebhooks);
  if (settled === "all" && first.size === entries.length) {
    return entries.map(() => ({ status: "settled" }));
  }
  const settledKeys = new Set(settled === "all" ? first.keys() : settled.map(toKey));
  const alreadySettled = new Set(
    entries.filter((entry) => !settledKeys.has(toKey(entry)) || first.get(toKey(entry)) !== entry),
  );
  const statuses = await readStatuses(sql, [...alreadySettled]);
  return entries.map((entry) =>
    alreadySettled.has(entry)
      ? { status: "already-settled", recorded: statuses.get(entry.id) }
      : { status: "settled" },
  );
}

function toKey({ id, generation }: { id: string; generation: number }) {
  return bullId(id, generation);
}

interface SettledColumn {
  name: string;
  /** Type of the parameter. */
  type: "int" | "float8" | "text";
  /** Converts the parameter to the column. Per row: Postgres converts whole arrays of JSON at twice the cost. */
  convert?(value: string): string;
  /** A column that few jobs have: it is not written if no job of the batch has a value. */
  isRare?: true;
  get(entry: Settlement): string | number | null;
}

const toJson = (text: string) => `${text}::jsonb`;

const settledColumns: readonly SettledColumn[] = [
  { name: "status", type: "text", get: ({ status }) => status },
  { name: "attempts", type: "int", get: ({ attempts }) => attempts },
  { name: "result", type: "text", convert: toJson, get: ({ result }) => result },
  { name: "error", type: "text", convert: toJson, isRare: true, get: ({ error }) => error },
  {
    name: "started_at",
    type: "float8",
    // Numbers cost a fraction of parsing times.
    convert: (ms) => `to_timestamp(${ms} / 1000)`,
    get: ({ startedAt }) => startedAt?.getTime() ?? null,
  },
  { name: "duration_ms", type: "int", get: ({ durationMs = null }) => durationMs },
  { name: "worker", type: "text", get: ({ worker = null }) => worker },
  {
    name: "failures",
    type: "text",
    convert: toJson,
    isRare: true,
    get: ({ failures = null }) => failures,
  },
  { name: "log", type: "text", convert: toJson, isRare: true, get: ({ log = null }) => log },
  { name: "reason", type: "text", isRare: true, get: getReason },
];

type Value = string | number | null;

/**
 * Builds the update of the entries that match. `any(ids)` keeps the planner from reading all pending rows, whose number
 * it estimates by old statistics.
 */
function buildUpdate(add: AddParameter, entries: readonly Settlement[]): string {
  const ids = `${add(entries.map((entry) => entry.id))}::uuid[]`;
  const [names, arrays] = [["id"], [ids]];
  /** Sends a value that all jobs share once. */
  const toExpression = (name: string, type: SettledColumn["type"], column: readonly Value[]) => {
    const [first = null] = column;
    if (column.every((value) => value === first)) return `${add(first)}::${type}`;
    names.push(name);
    arrays.push(`${add(column)}::${type}[]`);
    return `s.${name}`;
  };
  const generation = toExpression(
    "generation",
    "int",
    entries.map((entry) => entry.generation),
  );
  const sets = ["settled_at = now()"];
  for (const { name, type, convert = String, isRare, get } of settledColumns) {
    const column = entries.map(get);
    if (isRare && column.every((value) => value === null)) continue;
    sets.push(`${name} = ${convert(toExpression(name, type, column))}`);
  }
  return `update jobs set ${sets.join(", ")}
      from unnest(${arrays.join(", ")}) as s (${names.join(", ")})
      where jobs.id = any(${ids}) and jobs.id = s.id and jobs.generation = ${generation} and jobs.status = 'pending'`;
}

const isPlain =
  "jobs.import_id is null and jobs.parent_id is null and jobs.waiting_children is not true";

/**
 * Settles jobs like `settleJobs`, but cheaper, if they have no import, no parent and no children that they wait for:
 * nothing but their rows changes. Not for use if webhooks may exist.
 * @returns the entries that it settled
 */
export async function settlePlainJobs(
  sql: ISql,
  entries: readonly Settlement[],
): Promise<ReadonlySet<Settlement>> {
  const first = new Map<string, Settlement>();
  for (const entry of entries) {
    if (!first.has(entry.id)) first.set(entry.id, entry);
  }
  const rows = await runStatement<Pick<Settlement, "id">>(
    sql,
    (add) => `${buildUpdate(add, [...first.values()])} and ${isPlain} returning jobs.id`,
  );
  return new Set(rows.flatMap(({ id }) => first.get(id) ?? []));
}

/**
 * Settles the entries that match and returns them, or `all`. Locking the imports in one order prevents deadlocks between
 * batches.
 */
async function settlePending(
  sql: ISql,
  entries: readonly Settlement[],
  mayHaveWebhooks: boolean,
): Promise<"all" | Pick<Settlement, "id" | "generation">[]> {
  // Rows are returned only if some entries do not match: to return and parse a row per job would cost both sides more.
  const [row] = await runStatement<{ settled: Pick<Settlement, "id" | "generation">[] | null }>(
    sql,
    (add) =>
      `with ended as (
      ${buildUpdate(add, entries)}
      returning ${mayHaveWebhooks ? endedJobColumns : "jobs.id, jobs.generation, jobs.status, jobs.import_id"}, ${graphColumns}
    ), ${recordGraphEvents}, counts as (
      select import_id, count(*) filter (where status = 'completed') as completed,
             count(*) filter (where status = 'dead') as dead,
             count(*) filter (where status = 'expired') as expired
      from ended where import_id is not null group by import_id
    ), held as (
      select id from imports where id = any(array(select import_id from counts)) order by id for update
    ), counted_imports as (
      update imports set completed = imports.completed + counts.completed, dead = imports.dead + counts.dead,
        expired = imports.expired + counts.expired
      from counts
      where imports.id = any(array(select id from held)) and imports.id = counts.import_id
      returning ${countedImportColumns}
    ), ${recordImportEnds}${mayHaveWebhooks ? `, ${jobEvents}, ${importEvents}` : ""}
    select case when (select count(*) from ended) < ${add(entries.length)}::int then
      (select coalesce(json_agg(json_build_object('id', id, 'generation', generation)), '[]') from ended)
    end as settled`,
  );
  return row?.settled ?? "all";
}

function getReason({ status, error }: Settlement) {
  return status === "dead" && error !== null
    ? toDeadLetterReason(JobError.parse(JSON.parse(error)))
    : null;
}

async function readStatuses(sql: ISql, entries: readonly Settlement[]) {
  const rows = await sql<Pick<JobColumns, "id" | "status">[]>`
    select id, status from jobs where id = any(${entries.map((entry) => entry.id)}::uuid[])`;
  return new Map(rows.map(({ id, status }) => [id, status]));
}

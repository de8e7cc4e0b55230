import type { ISql } from "postgres";
import type { NewJob } from "../jobs/enqueue/new-job.ts";
import type { IdempotencyClaim, StoredResponse } from "./idempotency.ts";
import { hasTerms, insertTerms } from "./insert.ts";
import { insertion } from "./insertion.ts";

/** A job that may have a key, and the Idempotency-Key of its request with the response to store. */
export interface JobWithKeys {
  job: NewJob;
  /** The response has an empty `createdAt`, which the statement fills in. */
  stored?: { claim: IdempotencyClaim; response: StoredResponse } | undefined;
}

/** How long the statement waits for a row or key that another transaction holds. */
const lockTimeoutMs = 10;

/**
 * Inserts the jobs whose keys and Idempotency-Keys are free, together with their responses, in one statement. The keys
 * must be distinct. Fails with a unique violation if another transaction claims one of the Idempotency-Keys at the same
 * time, and with a lock timeout if another transaction holds a key for longer than 10 ms; then nothing is inserted.
 * @returns when the jobs were recorded, in ISO 8601, and which of them
 */
export async function insertWithKeys(
  sql: ISql,
  entries: readonly JobWithKeys[],
): Promise<{ createdAt: string; isInserted(job: NewJob): boolean }> {
  const jobs = entries.map(({ job }) => job);
  const claims = entries.flatMap(({ job, stored }) => (stored ? [{ id: job.id, ...stored }] : []));
  const hasClaims = claims.length > 0;
  // Set while the statement runs, after it has locked the tables: waiting for a table uses the timeout of the session.
  const insert = sql`
    ${insertion(sql, jobs)} where (select set_config('lock_timeout', ${String(lockTimeoutMs)}, true)) is not null
    ${hasClaims ? sql`and id not in (select id from taken)` : sql``} on conflict do nothing returning id`;
  const [row] = await sql<{ createdAt: string; count: number; ids: string | null }[]>`
    with ${hasClaims ? findTaken(sql, claims) : sql``} inserted as (${insert})
    ${hasClaims ? storeClaims(sql) : sql``} ${hasTerms(jobs) ? sql`, ${insertTerms(sql, jobs)}` : sql``}
    select ${createdAt(sql)} as "createdAt", (select count(*)::int from inserted) as count,
           (select string_agg(id::text, ' ') from inserted where (select count(*) from inserted) < ${jobs.length}) as ids`;
  if (row === undefined) throw new Error("the statement returned no row");
  const inserted = row.count === jobs.length ? undefined : new Set(row.ids?.split(" "));
  return {
    createdAt: row.createdAt,
    isInserted: ({ id }) => inserted === undefined || inserted.has(id),
  };
}

interface ClaimOfJob {
  id: string;
  claim: IdempotencyClaim;
  response: StoredResponse;
}

/** Looks the Idempotency-Keys up, so that a repeated request neither inserts a job nor fails the statement. */
function findTaken(sql: ISql, claims: readonly ClaimOfJob[]) {
  // JSON text contains no line breaks.
  const bodies = claims.map(({ response }) => JSON.stringify(response.body)).join("\n");
  return sql`
    requested as (
      select * from unnest(
        ${claims.map(({ id }) => id)}::uuid[], ${claims.map(({ claim }) => claim.tenant)}::text[],
        ${claims.map(({ claim }) => claim.key)}::text[], ${claims.map(({ claim }) => claim.requestHash)}::text[],
        ${claims.map(({ response }) => response.status)}::smallint[], string_to_array(${bodies}, E'\\n')
      ) as requested (id, tenant, key, hash, status, body)
    ),
    taken as (
      select requested.id from requested cross join lateral (
        select from idempotency_keys as k where k.tenant = requested.tenant and k.key = requested.key offset 0
      ) as existing
    ),`;
}

/** Without `on conflict`: a job whose Idempotency-Key was taken in the meantime must not remain. */
function storeClaims(sql: ISql) {
  return sql`
    , stored as (
      insert into idempotency_keys (tenant, key, request_hash, status, body)
      select tenant, key, hash, status,
             -- Quotes within strings of JSON are escaped, so this text can only be the member.
             replace(body, '"createdAt":""', (select '"createdAt":"' || ${createdAt(sql)} || '"'))::json
      from requested join inserted using (id)
    )`;
}

function createdAt(sql: ISql) {
  return sql`to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

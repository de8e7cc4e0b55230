import type { ISql, Sql } from "postgres";
import { AcceptedJob } from "../../../api/jobs/accepted-job.ts";
import type { NewJob } from "../enqueue/new-job.ts";
import { findExisting, type InsertOutcome } from "./find-existing.ts";
import {
  type Claimed,
  findIdempotencyKeys,
  type IdempotencyClaim,
  type StoredResponse,
} from "../../postgres/idempotency.ts";
import { type AddParameter, runStatement } from "../../postgres/statement.ts";
import { hasTerms, insertTerms } from "./insert-jobs.ts";
import { insertStatement } from "./insert-statement.ts";

/** A job that may have a key, and the Idempotency-Key of its request with the response to store. */
export interface JobWithKeys {
  job: NewJob;
  /** The response has an empty `createdAt`, which the statement fills in. */
  stored?: { claim: IdempotencyClaim; response: StoredResponse } | undefined;
}

/** How long the statement waits for a row or key that another transaction holds. */
const lockTimeoutMs = 10;

export type OutcomeWithKeys =
  | InsertOutcome
  | Exclude<Claimed, { status: "claimed" }>
  /** Resolving the conflict takes a transaction. */
  | { status: "conflicting" };

/**
 * Inserts the jobs whose keys and Idempotency-Keys are free, together with their responses, in one statement, and looks
 * up what the others conflict with. The keys must be distinct. Fails with a unique violation if another transaction
 * claims one of the Idempotency-Keys at the same time, and with a lock timeout if another transaction holds a key for
 * longer than 10 ms; then nothing is inserted. Not for use in a transaction.
 * @returns one outcome per entry, in order
 */
export async function insertWithKeys(
  sql: Sql,
  entries: readonly JobWithKeys[],
): Promise<OutcomeWithKeys[]> {
  const { createdAt, inserted } = await insertFree(sql, entries);
  const outcomes = new Map<string, OutcomeWithKeys>();
  if (inserted !== undefined) {
    const rest = entries.filter(({ job }) => !inserted.has(job.id));
    const claims = rest.flatMap(({ job, stored }) =>
      stored ? [{ job, claim: stored.claim }] : [],
    );
    if (claims.length > 0) {
      const existing = await findIdempotencyKeys(
        sql,
        claims.map(({ claim }) => claim),
      );
      for (const [index, { job }] of claims.entries()) {
        outcomes.set(job.id, toOwnOutcome(job, existing[index]));
      }
    }
    const duplicates = rest.flatMap(({ job, stored }) =>
      stored === undefined && !job.replacesWaiting ? [job] : [],
    );
    const found = new Map<string, InsertOutcome>();
    if (duplicates.length > 0) await findExisting(sql, duplicates, found);
    for (const [id, outcome] of found) outcomes.set(id, outcome);
  }
  return entries.map(({ job: { id } }): OutcomeWithKeys => {
    if (inserted === undefined || inserted.has(id)) return { status: "created", createdAt };
    return outcomes.get(id) ?? { status: "conflicting" };
  });
}

/** If the response has the job's id, the reply to an earlier execution of this same statement was lost. */
function toOwnOutcome({ id }: NewJob, existing: Claimed | undefined): OutcomeWithKeys {
  if (existing === undefined || existing.status === "claimed") return { status: "conflicting" };
  const isOwn =
    existing.status === "stored" && AcceptedJob.safeParse(existing.response.body).data?.id === id;
  return isOwn ? { status: "conflicting" } : existing;
}

/** @returns the ids of the inserted jobs; undefined if all were inserted */
async function insertFree(sql: ISql, entries: readonly JobWithKeys[]) {
  const jobs = entries.map(({ job }) => job);
  const claims = entries.flatMap(({ job, stored }) => (stored ? [{ id: job.id, ...stored }] : []));
  const hasClaims = claims.length > 0;
  // Set while the statement runs, after it has locked the tables: waiting for a table uses the timeout of the session.
  const [row] = await runStatement<{ createdAt: string; count: number; ids: string | null }>(
    sql,
    (add) => `
    with ${hasClaims ? findTaken(add, claims) : ""} inserted as (
      ${insertStatement(add, jobs)} where (select set_config('lock_timeout', '${lockTimeoutMs}', true)) is not null
      ${hasClaims ? "and id not in (select id from taken)" : ""} on conflict do nothing returning id
    ) ${hasClaims ? storeClaims : ""} ${hasTerms(jobs) ? `, ${insertTerms(add, jobs)}` : ""}
    select ${createdAt} as "createdAt", (select count(*)::int from inserted) as count,
           (select string_agg(id::text, ' ') from inserted where (select count(*) from inserted) < ${add(jobs.length)}) as ids`,
  );
  if (row === undefined) throw new Error("the statement returned no row");
  const inserted = row.count === jobs.length ? undefined : new Set(row.ids?.split(" "));
  return { createdAt: row.createdAt, inserted };
}

interface ClaimOfJob {
  id: string;
  claim: IdempotencyClaim;
  response: StoredResponse;
}

/** Looks the Idempotency-Keys up, so that a repeated request neither inserts a job nor fails the statement. */
function findTaken(add: AddParameter, claims: readonly ClaimOfJob[]): string {
  // JSON text contains no line breaks.
  const bodies = claims.map(({ response }) => JSON.stringify(response.body)).join("\n");
  return `
    requested as (
      select * from unnest(
        ${add(claims.map(({ id }) => id))}::uuid[], ${add(claims.map(({ claim }) => claim.tenant))}::text[],
        ${add(claims.map(({ claim }) => claim.key))}::text[], ${add(claims.map(({ claim }) => claim.requestHash))}::text[],
        ${add(claims.map(({ response }) => response.status))}::smallint[], string_to_array(${add(bodies)}, E'\\n')
      ) as requested (id, tenant, key, hash, status, body)
    ),
    taken as (
      select requested.id from requested cross join lateral (
        select from idempotency_keys as k where k.tenant = requested.tenant and k.key = requested.key offset 0
      ) as existing
    ),`;
}

const createdAt = `to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** Without `on conflict`: a job whose Idempotency-Key was taken in the meantime must not remain. */
const storeClaims = `
    , stored as (
      insert into idempotency_keys (tenant, key, request_hash, status, body)
      select tenant, key, hash, status,
             -- Quotes within strings of JSON are escaped, so this text can only be the member.
             replace(body, '"createdAt":""', (select '"createdAt":"' || ${createdAt} || '"'))::json
      from requested join inserted using (id)
    )`;

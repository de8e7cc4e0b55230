import type { ISql } from "postgres";
import { maxFailures, type EndpointRow } from "./endpoint-ledger.ts";

/** An endpoint, as it was when a job was sent to the URL. */
export type SentEndpoint = Pick<EndpointRow, "tenant" | "type" | "version"> & { url: string };

/** The circuit stays open for this long, then twice as long after each further failure. */
const firstOpenSeconds = 5;
const maxOpenSeconds = 300;

/** Records a failed attempt. Opens the circuit after `maxFailures` consecutive ones. */
export async function recordPushFailure(
  sql: ISql,
  endpoint: SentEndpoint,
  error: string,
): Promise<void> {
  await sql`
    update push_endpoints set failures = failures + 1, last_error = ${error},
      paused_until = case when failures + 1 >= ${maxFailures}::int then greatest(paused_until, now() + least(
        ${maxOpenSeconds}::int, ${firstOpenSeconds}::int * 2 ^ least(failures + 1 - ${maxFailures}::int, 10)) * interval '1 s')
        else paused_until end,
      pause_reason = case when failures + 1 >= ${maxFailures}::int then 'circuit-open' else pause_reason end
    where ${isCurrent(sql, endpoint)}`;
}

/** Closes the circuit after a success. A pause that the endpoint has asked for in the meantime stays. */
export async function recordPushSuccess(sql: ISql, endpoint: SentEndpoint): Promise<void> {
  await sql`
    update push_endpoints set failures = 0, last_error = null,
      paused_until = case when pause_reason = 'retry-after' then paused_until end,
      pause_reason = nullif(pause_reason, 'circuit-open')
    where ${isCurrent(sql, endpoint)} and failures > 0`;
}

/** Pauses the endpoint, which sent Retry-After. */
export async function pausePush(sql: ISql, endpoint: SentEndpoint, pauseMs: number): Promise<void> {
  await sql`
    update push_endpoints set pause_reason = 'retry-after',
      paused_until = greatest(paused_until, now() + ${pauseMs} * interval '1 ms')
    where ${isCurrent(sql, endpoint)}`;
}

/**
 * Disables the endpoint, which answered 410.
 * @returns whether it was enabled before
 */
export async function disablePush(sql: ISql, endpoint: SentEndpoint): Promise<boolean> {
  const { count } = await sql`
    update push_endpoints set is_enabled = false, disabled_at = now()
    where ${isCurrent(sql, endpoint)} and is_enabled`;
  return count > 0;
}

/**
 * Whether the endpoint was not reset since the request was sent. The URL is compared, too: a consumer may read the new
 * version before the new URL.
 */
function isCurrent(sql: ISql, { tenant, type, url, version }: SentEndpoint) {
  return sql`
    tenant = ${tenant} and type = ${type} and version = ${version} and exists (
      select from job_types
      where job_types.tenant = ${tenant} and job_types.type = ${type} and definition -> 'push' ->> 'url' = ${url})`;
}

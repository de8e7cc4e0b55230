import type { ISql } from "postgres";
import type { PushEndpoint } from "../../api/push-endpoint.ts";
import { createJobId } from "../jobs/enqueue/job-id.ts";
import type { PushEndpointColumns } from "../postgres/tables.ts";

/** Identifies the endpoint of one job type. */
export type EndpointRef = Pick<PushEndpointColumns, "tenant" | "type">;

export type EndpointRow = PushEndpointColumns & {
  /** The pause has not ended, by Postgres' clock. */
  isPaused: boolean;
};

/** After this many consecutive failures the circuit opens. */
export const maxFailures = 10;

export interface SavedEndpoint {
  /** Whether the type has another URL than before; this resets the endpoint. */
  isMoved: boolean;
  /** Returns the secret of a new endpoint, as it is stored. */
  createSecret(id: string): string;
}

/**
 * Creates the endpoint of a job type unless it exists.
 * @returns whether it was created
 */
export async function saveEndpoint(
  tx: ISql,
  { tenant, type }: EndpointRef,
  { isMoved, createSecret }: SavedEndpoint,
): Promise<boolean> {
  const id = createJobId();
  const { count } = await tx`
    insert into push_endpoints (tenant, type, id, secret) values (${tenant}, ${type}, ${id}, ${createSecret(id)})
    on conflict do nothing`;
  if (count === 0 && isMoved) await resetEndpoint(tx, { tenant, type });
  return count > 0;
}

/** Deletes the endpoint of a job type, if it has one. */
export async function deleteEndpoint(tx: ISql, { tenant, type }: EndpointRef): Promise<void> {
  await tx`delete from push_endpoints where tenant = ${tenant} and type = ${type}`;
}

/** Finds the endpoint of a job type. */
export async function findEndpoint(
  sql: ISql,
  { tenant, type }: EndpointRef,
): Promise<EndpointRow | undefined> {
  const [row] = await sql<EndpointRow[]>`
    select ${columns(sql)} from push_endpoints where tenant = ${tenant} and type = ${type}`;
  return row;
}

/** Reads all endpoints. */
export function readEndpoints(sql: ISql): Promise<EndpointRow[]> {
  return sql<EndpointRow[]>`select ${columns(sql)} from push_endpoints`;
}

/** Replaces the secret; requests are signed with the previous one, too, for `graceMs`. */
export async function rotateEndpoint(
  tx: ISql,
  { tenant, type }: EndpointRef,
  { graceMs, createSecret }: { graceMs: number; createSecret(id: string): string },
): Promise<EndpointRow | undefined> {
  const existing = await findEndpoint(tx, { tenant, type });
  if (existing === undefined) return undefined;
  const [row] = await tx<EndpointRow[]>`
    update push_endpoints set previous_secret = secret, previous_until = now() + ${graceMs}::int * interval '1 ms',
      secret = ${createSecret(existing.id)}
    where tenant = ${tenant} and type = ${type} and id = ${existing.id} returning ${columns(tx)}`;
  return row;
}

/** Closes the circuit, ends a pause and enables the endpoint. Requests that were sent before no longer change it. */
export async function resetEndpoint(
  tx: ISql,
  { tenant, type }: EndpointRef,
): Promise<EndpointRow | undefined> {
  const [row] = await tx<EndpointRow[]>`
    update push_endpoints set is_enabled = true, disabled_at = null, failures = 0, last_error = null,
      paused_until = null, pause_reason = null, version = version + 1
    where tenant = ${tenant} and type = ${type} returning ${columns(tx)}`;
  return row;
}

/** Converts a row to the API's endpoint. */
export function toEndpoint(row: EndpointRow, url: string): PushEndpoint {
  const { type, isEnabled, failures, isPaused } = row;
  const isOpen = isPaused && row.pauseReason === "circuit-open";
  return {
    type,
    url,
    enabled: isEnabled,
    disabledAt: row.disabledAt?.toISOString() ?? null,
    circuit: isOpen ? "open" : failures >= maxFailures ? "half-open" : "closed",
    consecutiveFailures: failures,
    lastError: row.lastError,
    pausedUntil: isPaused ? (row.pausedUntil?.toISOString() ?? null) : null,
    pauseReason: isPaused ? row.pauseReason : null,
    previousSecretUntil: row.previousUntil?.toISOString() ?? null,
  };
}

function columns(sql: ISql) {
  return sql`
    tenant, type, id, secret, previous_secret as "previousSecret", previous_until as "previousUntil",
    is_enabled as "isEnabled", disabled_at as "disabledAt", failures, last_error as "lastError",
    paused_until as "pausedUntil", pause_reason as "pauseReason", version,
    coalesce(paused_until > now(), false) as "isPaused"`;
}

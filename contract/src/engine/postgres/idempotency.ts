import type { IdempotencyKeyColumns } from "./tables.ts";
import type { ISql } from "postgres";

/** The Idempotency-Key of a request and a hash of the request. */
export interface IdempotencyClaim {
  tenant: string;
  key: string;
  /** Hexadecimal. */
  requestHash: string;
  /** Hashes of the same request with older secret keys, for requests from before a key rotation. */
  olderHashes?: readonly string[];
}

/** The original response to a request. */
export interface StoredResponse {
  status: number;
  body: unknown;
}

export type Claimed =
  | { status: "claimed" }
  | { status: "stored"; response: StoredResponse }
  /** The key was used with a different request. */
  | { status: "reused" }
  /** The first request is still in progress. */
  | { status: "in-use" };

/**
 * Claims Idempotency-Keys; the claims must be distinct. Returns one outcome per claim, in order. Waits for transactions
 * that are claiming the same key.
 */
export async function claimIdempotencyKeys(
  sql: ISql,
  claims: readonly IdempotencyClaim[],
): Promise<Claimed[]> {
  const claimed = await sql<{ ordinal: number }[]>`
    with claimed as (
      insert into idempotency_keys (tenant, key, request_hash)
      select requested.tenant, requested.key, requested.hash from ${requested(sql, claims)}
      on conflict do nothing
      returning tenant, key, request_hash as hash)
    select requested.ordinal::int from ${requested(sql, claims)} join claimed using (tenant, key, hash)`;
  const outcomes = new Map<number, Claimed>(
    claimed.map(({ ordinal }) => [ordinal, { status: "claimed" }]),
  );
  if (outcomes.size < claims.length) {
    const existing = await findIdempotencyKeys(sql, claims);
    for (const [index, outcome] of existing.entries()) {
      if (outcome !== undefined && !outcomes.has(index + 1)) outcomes.set(index + 1, outcome);
    }
  }
  return claims.map((_, index) => outcomes.get(index + 1) ?? { status: "in-use" });
}

/** Looks Idempotency-Keys up. Returns one outcome per claim, in order; undefined for a free key. */
export async function findIdempotencyKeys(
  sql: ISql,
  claims: readonly IdempotencyClaim[],
): Promise<(Claimed | undefined)[]> {
  const rows = await sql<
    (Pick<IdempotencyKeyColumns, "status" | "body"> & { ordinal: number; isSame: boolean })[]
  >`
    select requested.ordinal::int,
           existing.request_hash = requested.hash
           or existing.request_hash = any(string_to_array(requested.older, ' ')) as "isSame", existing.status, existing.body
    from ${requested(sql, claims)} cross join lateral (
      select request_hash, status, body from idempotency_keys as k
      where k.tenant = requested.tenant and k.key = requested.key offset 0
    ) as existing`;
  const outcomes = claims.map((): Claimed | undefined => undefined);
  for (const { ordinal, isSame, status, body } of rows) {
    if (!isSame) outcomes[ordinal - 1] = { status: "reused" };
    else if (status === null) outcomes[ordinal - 1] = { status: "in-use" };
    else outcomes[ordinal - 1] = { status: "stored", response: { status, body } };
  }
  return outcomes;
}

/**
 * Stores or replaces the responses of claimed keys. An upsert, although the rows exist: it finds each row by the unique
 * index, whatever the planner's statistics.
 */
export async function storeResponses(
  sql: ISql,
  responses: readonly (IdempotencyClaim & { response: StoredResponse })[],
): Promise<void> {
  await sql`
    insert into idempotency_keys (tenant, key, request_hash, status, body)
    select * from unnest(
      ${responses.map((entry) => entry.tenant)}::text[], ${responses.map((entry) => entry.key)}::text[],
      ${responses.map((entry) => entry.requestHash)}::text[],
      ${responses.map((entry) => entry.response.status)}::smallint[],
      ${responses.map((entry) => JSON.stringify(entry.response.body))}::text[]::json[]
    )
    on conflict (tenant, key) do update set status = excluded.status, body = excluded.body`;
}

function requested(sql: ISql, claims: readonly IdempotencyClaim[]) {
  return sql`unnest(
    ${claims.map((claim) => claim.tenant)}::text[], ${claims.map((claim) => claim.key)}::text[],
    ${claims.map((claim) => claim.requestHash)}::text[],
    ${claims.map((claim) => claim.olderHashes?.join(" ") ?? "")}::text[]
  ) with ordinality as requested (tenant, key, hash, older, ordinal)`;
}

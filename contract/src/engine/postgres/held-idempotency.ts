import type { IdempotencyKeyColumns } from "./tables.ts";
import type { ISql } from "postgres";
import type { IdempotencyClaim, StoredResponse } from "./idempotency.ts";

/** A claim held across several transactions. */
export interface HeldClaim extends IdempotencyClaim {
  /** UUID, unique for each claim. */
  owner: string;
}

/** The progress of a request: its import and how much of its body was processed. */
export interface Checkpoint {
  importId: string;
  bodyBytes: number;
  /** Hash of these bytes; null if the request hash covers the body. */
  bodyHash: string | null;
}

export type Held =
  /** `checkpoint`: progress of an earlier, interrupted request with the same key. */
  | { status: "held"; checkpoint: Checkpoint | undefined }
  | { status: "stored"; response: StoredResponse; bodyHash: string | null }
  | { status: "reused" }
  | { status: "in-use" };

/** A claim that was not touched for this long is abandoned; the next identical request takes it over. */
const abandonedAfter = "60 seconds";

type HeldRow = Pick<
  IdempotencyKeyColumns,
  "importId" | "bodyBytes" | "status" | "body" | "bodyHash"
>;

/** Claims an Idempotency-Key until its response is stored or it is released; the holder must touch it well within 60 s. */
export async function holdIdempotencyKey(sql: ISql, claim: HeldClaim): Promise<Held> {
  const { tenant, key, requestHash, olderHashes = [], owner } = claim;
  const hashes = [requestHash, ...olderHashes];
  const [held] = await sql<HeldRow[]>`
    insert into idempotency_keys as k (tenant, key, request_hash, owner)
    values (${tenant}, ${key}, ${requestHash}, ${owner})
    on conflict (tenant, key) do update
      -- A provisional response becomes final: the interrupted request must not replace it.
      set owner = case when k.status is null then excluded.owner end, touched_at = now()
    where k.request_hash = any(${hashes}::text[])
      and case when k.owner is null then k.status is null else k.touched_at < now() - ${abandonedAfter}::interval end
    returning import_id as "importId", body_bytes::float8 as "bodyBytes", status, body, body_hash as "bodyHash"`;
  if (held !== undefined) {
    const { importId, bodyBytes, bodyHash, status, body } = held;
    if (status !== null) return { status: "stored", response: { status, body }, bodyHash };
    const checkpoint =
      importId === null ? undefined : { importId, bodyBytes: bodyBytes ?? 0, bodyHash };
    return { status: "held", checkpoint };
  }
  const [existing] = await sql<
    (Pick<HeldRow, "status" | "body" | "bodyHash"> & { isSame: boolean; isHeld: boolean })[]
  >`
    select request_hash = any(${hashes}::text[]) as "isSame", status, body, body_hash as "bodyHash",
           owner is not null as "isHeld"
    from idempotency_keys where tenant = ${tenant} and key = ${key}`;
  if (existing === undefined) return { status: "in-use" };
  const { isSame, isHeld, status, body, bodyHash } = existing;
  if (!isSame) return { status: "reused" };
  if (status === null || isHeld) return { status: "in-use" };
  return { status: "stored", response: { status, body }, bodyHash };
}

/** Renews a claim. */
export async function touchHeldKey(sql: ISql, claim: HeldClaim): Promise<void> {
  await sql`update idempotency_keys set touched_at = now() where ${isOwn(sql, claim)}`;
}

/**
 * Records the request's progress in the transaction that makes the progress. The key cannot be taken over until the
 * transaction ends.
 * @param checkpoint undefined: no further progress
 * @returns false if another request has taken over; the caller must roll back
 */
export async function saveCheckpoint(
  sql: ISql,
  claim: HeldClaim,
  checkpoint: Checkpoint | undefined,
): Promise<boolean> {
  const sets =
    checkpoint === undefined
      ? sql``
      : sql`, import_id = ${checkpoint.importId}, body_bytes = ${checkpoint.bodyBytes}, body_hash = ${checkpoint.bodyHash}`;
  const { count } = await sql`
    update idempotency_keys set touched_at = now() ${sets} where ${hasNoResponse(sql, claim)}`;
  return count > 0;
}

/**
 * Releases the key of a failed request. A repeated request resumes at the checkpoint or gets the provisional response.
 */
export async function releaseHeldKey(sql: ISql, claim: HeldClaim): Promise<void> {
  await sql`delete from idempotency_keys where ${hasNoResponse(sql, claim)} and import_id is null`;
  await sql`update idempotency_keys set owner = null where ${isOwn(sql, claim)}`;
}

/**
 * Stores a provisional response in the transaction of the work, which a repeated request gets if this request dies
 * before its final response. The key stays in use until the final response, abandonment or release.
 * @returns false if another request has taken over; the caller must roll back
 */
export async function storeProvisionalResponse(
  sql: ISql,
  claim: HeldClaim,
  { status, body }: StoredResponse,
): Promise<boolean> {
  const { count } = await sql`
    update idempotency_keys set status = ${status}, body = ${JSON.stringify(body)}::text::json, touched_at = now()
    where ${isOwn(sql, claim)}`;
  return count > 0;
}

/** Stores the final response, unless another request has taken over. */
export async function storeFinalResponse(
  sql: ISql,
  claim: HeldClaim,
  { status, body }: StoredResponse,
  bodyHash: string | null,
): Promise<void> {
  await sql`
    update idempotency_keys set status = ${status}, body = ${JSON.stringify(body)}::text::json,
      body_hash = ${bodyHash}, owner = null, touched_at = now()
    where ${isOwn(sql, claim)}`;
}

function isOwn(sql: ISql, { tenant, key, owner }: HeldClaim) {
  return sql`tenant = ${tenant} and key = ${key} and owner = ${owner}`;
}

function hasNoResponse(sql: ISql, claim: HeldClaim) {
  return sql`${isOwn(sql, claim)} and status is null`;
}

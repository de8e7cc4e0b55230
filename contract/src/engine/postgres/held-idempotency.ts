import type { ISql } from "postgres";
import type { IdempotencyClaim, StoredAnswer } from "./idempotency.ts";

/** A claim of one who answers in more than one transaction. */
export interface HeldClaim extends IdempotencyClaim {
  /** A UUID that no other claim has. */
  owner: string;
}

/** What a request had done when it was last heard of: an import, and how much of its body had been read by then. */
export interface Checkpoint {
  importId: string;
  bodyBytes: number;
  /** Of these bytes; null where the hash of the request covers the body. */
  bodyHash: string | null;
}

export type Held =
  /** `checkpoint`: an earlier request with the same key was broken off there. */
  | { status: "held"; checkpoint: Checkpoint | undefined }
  | { status: "answered"; answer: StoredAnswer; bodyHash: string | null }
  | { status: "reused" }
  | { status: "in-use" };

/** Of whom nothing was heard for so long has died, and the next one with the same request takes over. */
const abandonedAfter = "60 seconds";

interface HeldRow {
  importId: string | null;
  bodyBytes: string | null;
  status: number | null;
  body: unknown;
  bodyHash: string | null;
}

/** Takes an Idempotency-Key until it is answered or released; meanwhile it must be touched well within 60 s. */
export async function holdIdempotencyKey(sql: ISql, claim: HeldClaim): Promise<Held> {
  const { tenant, key, requestHash, olderHashes = [], owner } = claim;
  const hashes = [requestHash, ...olderHashes];
  const [held] = await sql<HeldRow[]>`
    insert into idempotency_keys as k (tenant, key, request_hash, owner)
    values (${tenant}, ${key}, ${requestHash}, ${owner})
    on conflict (tenant, key) do update
      -- A provisional answer becomes final: who left it must not replace it any more.
      set owner = case when k.status is null then excluded.owner end, touched_at = now()
    where k.request_hash = any(${hashes}::text[])
      and case when k.owner is null then k.status is null else k.touched_at < now() - ${abandonedAfter}::interval end
    returning import_id as "importId", body_bytes as "bodyBytes", status, body, body_hash as "bodyHash"`;
  if (held !== undefined) {
    const { importId, bodyBytes, bodyHash, status, body } = held;
    if (status !== null) return { status: "answered", answer: { status, body }, bodyHash };
    const checkpoint =
      importId === null ? undefined : { importId, bodyBytes: Number(bodyBytes), bodyHash };
    return { status: "held", checkpoint };
  }
  const [stood] = await sql<
    {
      isSame: boolean;
      isHeld: boolean;
      status: number | null;
      body: unknown;
      bodyHash: string | null;
    }[]
  >`
    select request_hash = any(${hashes}::text[]) as "isSame", status, body, body_hash as "bodyHash",
           owner is not null as "isHeld"
    from idempotency_keys where tenant = ${tenant} and key = ${key}`;
  if (stood === undefined) return { status: "in-use" };
  const { isSame, isHeld, status, body, bodyHash } = stood;
  if (!isSame) return { status: "reused" };
  if (status === null || isHeld) return { status: "in-use" };
  return { status: "answered", answer: { status, body }, bodyHash };
}

export async function touchHeldKey(sql: ISql, claim: HeldClaim): Promise<void> {
  await sql`update idempotency_keys set touched_at = now() where ${isOwn(sql, claim)}`;
}

/**
 * Notes in a transaction what the request has done by it. Until that ends, nobody takes the key over.
 * @param checkpoint undefined: no more than before
 * @returns false when another has taken over: then the transaction must be rolled back
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
    update idempotency_keys set touched_at = now() ${sets} where ${isUnanswered(sql, claim)}`;
  return count > 0;
}

/**
 * Frees a key whose request came to nothing. A repetition continues what the request began, or gets its provisional
 * answer.
 */
export async function releaseHeldKey(sql: ISql, claim: HeldClaim): Promise<void> {
  await sql`delete from idempotency_keys where ${isUnanswered(sql, claim)} and import_id is null`;
  await sql`update idempotency_keys set owner = null where ${isOwn(sql, claim)}`;
}

/**
 * Stores in the transaction of the work what a repetition is answered when this request does not get to its final answer;
 * until that is stored, or the request is abandoned or released, the key stays in use.
 * @returns false when another has taken over: then the transaction must be rolled back
 */
export async function answerProvisionally(
  sql: ISql,
  claim: HeldClaim,
  { status, body }: StoredAnswer,
): Promise<boolean> {
  const { count } = await sql`
    update idempotency_keys set status = ${status}, body = ${JSON.stringify(body)}::text::json, touched_at = now()
    where ${isOwn(sql, claim)}`;
  return count > 0;
}

/** Stores the final answer, unless another has taken over. */
export async function answerHeldKey(
  sql: ISql,
  claim: HeldClaim,
  { status, body }: StoredAnswer,
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

function isUnanswered(sql: ISql, claim: HeldClaim) {
  return sql`${isOwn(sql, claim)} and status is null`;
}

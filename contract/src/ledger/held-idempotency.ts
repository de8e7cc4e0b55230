import type { ISql } from "postgres";
import type { IdempotencyClaim, StoredAnswer } from "./idempotency.ts";

/** A claim of one who answers in more than one transaction. */
export interface HeldClaim extends IdempotencyClaim {
  /** A UUID that no other claim has. */
  owner: string;
}

export type Held =
  | { status: "held" }
  | { status: "answered"; answer: StoredAnswer; bodyHash: string | null }
  | { status: "reused" }
  | { status: "in-use" };

/** Of whom nothing was heard for so long has died, and the next one with the same request takes over. */
const abandonedAfter = "60 seconds";

/** Takes an Idempotency-Key until it is answered or released; meanwhile it must be touched well within 60 s. */
export async function holdIdempotencyKey(sql: ISql, claim: HeldClaim): Promise<Held> {
  const { tenant, key, requestHash, olderHashes = [], owner } = claim;
  const hashes = [requestHash, ...olderHashes];
  const [held] = await sql`
    insert into idempotency_keys as k (tenant, key, request_hash, owner)
    values (${tenant}, ${key}, ${requestHash}, ${owner})
    on conflict (tenant, key) do update set owner = excluded.owner, touched_at = now()
    where k.status is null and k.request_hash = any(${hashes}::text[])
      and k.touched_at < now() - ${abandonedAfter}::interval
    returning owner`;
  if (held !== undefined) return { status: "held" };
  const [stood] = await sql<
    { isSame: boolean; status: number | null; body: unknown; bodyHash: string | null }[]
  >`
    select request_hash = any(${hashes}::text[]) as "isSame", status, body, body_hash as "bodyHash"
    from idempotency_keys where tenant = ${tenant} and key = ${key}`;
  if (stood === undefined) return { status: "in-use" };
  const { isSame, status, body, bodyHash } = stood;
  if (!isSame) return { status: "reused" };
  if (status === null) return { status: "in-use" };
  return { status: "answered", answer: { status, body }, bodyHash };
}

export async function touchHeldKey(sql: ISql, claim: HeldClaim): Promise<void> {
  await sql`update idempotency_keys set touched_at = now() where ${isUnanswered(sql, claim)}`;
}

/** Frees a key whose request came to nothing. */
export async function releaseHeldKey(sql: ISql, claim: HeldClaim): Promise<void> {
  await sql`delete from idempotency_keys where ${isUnanswered(sql, claim)}`;
}

/** Keeps the answer, unless another has taken over. */
export async function answerHeldKey(
  sql: ISql,
  claim: HeldClaim,
  { status, body }: StoredAnswer,
  bodyHash: string | null,
): Promise<void> {
  await sql`
    update idempotency_keys set status = ${status}, body = ${JSON.stringify(body)}::text::json,
      body_hash = ${bodyHash}, touched_at = now()
    where ${isOwn(sql, claim)}`;
}

function isOwn(sql: ISql, { tenant, key, owner }: HeldClaim) {
  return sql`tenant = ${tenant} and key = ${key} and owner = ${owner}`;
}

function isUnanswered(sql: ISql, claim: HeldClaim) {
  return sql`${isOwn(sql, claim)} and status is null`;
}

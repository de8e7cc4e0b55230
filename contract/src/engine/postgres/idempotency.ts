import type { ISql } from "postgres";

/** The Idempotency-Key of a request and a hash of what was asked. */
export interface IdempotencyClaim {
  tenant: string;
  key: string;
  /** Hexadecimal. */
  requestHash: string;
  /** What the same request hashed to with other keys. */
  olderHashes?: readonly string[];
}

/** An answer as it was first given. */
export interface StoredAnswer {
  status: number;
  body: unknown;
}

export type Claimed =
  | { status: "claimed" }
  | { status: "answered"; answer: StoredAnswer }
  /** The same key came with another request. */
  | { status: "reused" }
  /** The first request is being answered elsewhere. */
  | { status: "in-use" };

/**
 * Takes Idempotency-Keys for their requests; claims must differ from each other. One outcome per claim, in order.
 * Waits for transactions that are taking the same key.
 */
export async function claimIdempotencyKeys(
  sql: ISql,
  claims: readonly IdempotencyClaim[],
): Promise<Claimed[]> {
  const taken = await sql<{ ordinal: number }[]>`
    with claimed as (
      insert into idempotency_keys (tenant, key, request_hash)
      select asked.tenant, asked.key, asked.hash from ${asked(sql, claims)}
      on conflict do nothing
      returning tenant, key, request_hash as hash)
    select asked.ordinal::int from ${asked(sql, claims)} join claimed using (tenant, key, hash)`;
  const outcomes = new Map<number, Claimed>(
    taken.map(({ ordinal }) => [ordinal, { status: "claimed" }]),
  );
  if (outcomes.size < claims.length) {
    const standing = await sql<
      { ordinal: number; isSame: boolean; status: number | null; body: unknown }[]
    >`
      select asked.ordinal::int,
             stood.request_hash = asked.hash
             or stood.request_hash = any(string_to_array(asked.older, ' ')) as "isSame", stood.status, stood.body
      from ${asked(sql, claims)} cross join lateral (
        select request_hash, status, body from idempotency_keys as k
        where k.tenant = asked.tenant and k.key = asked.key offset 0
      ) as stood`;
    for (const { ordinal, isSame, status, body } of standing) {
      if (outcomes.has(ordinal)) continue;
      if (!isSame) outcomes.set(ordinal, { status: "reused" });
      else if (status === null) outcomes.set(ordinal, { status: "in-use" });
      else outcomes.set(ordinal, { status: "answered", answer: { status, body } });
    }
  }
  return claims.map((_, index) => outcomes.get(index + 1) ?? { status: "in-use" });
}

/**
 * Keeps the answers of keys that were claimed, or corrects them. An insert although the rows are there: it finds each by
 * the unique index, whatever the planner takes the table for.
 */
export async function storeAnswers(
  sql: ISql,
  answers: readonly (IdempotencyClaim & { answer: StoredAnswer })[],
): Promise<void> {
  await sql`
    insert into idempotency_keys (tenant, key, request_hash, status, body)
    select * from unnest(
      ${answers.map((entry) => entry.tenant)}::text[], ${answers.map((entry) => entry.key)}::text[],
      ${answers.map((entry) => entry.requestHash)}::text[],
      ${answers.map((entry) => entry.answer.status)}::smallint[],
      ${answers.map((entry) => JSON.stringify(entry.answer.body))}::text[]::json[]
    )
    on conflict (tenant, key) do update set status = excluded.status, body = excluded.body`;
}

function asked(sql: ISql, claims: readonly IdempotencyClaim[]) {
  return sql`unnest(
    ${claims.map((claim) => claim.tenant)}::text[], ${claims.map((claim) => claim.key)}::text[],
    ${claims.map((claim) => claim.requestHash)}::text[],
    ${claims.map((claim) => claim.olderHashes?.join(" ") ?? "")}::text[]
  ) with ordinality as asked (tenant, key, hash, older, ordinal)`;
}

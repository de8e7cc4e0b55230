import type { ApiKeyColumns } from "../postgres/tables.ts";
import type { ISql, Sql, TransactionSql } from "postgres";
import type { ApiKey, IssuedApiKey, NewApiKey } from "../../api/access/api-key.ts";
import type { Quotas } from "../../api/access/quota.ts";
import { createKeyText, hashKey } from "./key-text.ts";

/**
 * Advisory lock that serializes changes of API keys, so that revisions commit in order. No other lock has this number.
 */
const changeLock = 7_413_003;

/** A row of `api_keys`, with the hashes that verify the key. Revisions are unique and ascend across all keys. */
export type KeyRow = ApiKeyColumns;

/** Called with the changed key inside the changing transaction; a rejection rolls the change back. */
export type NoteChange = (tx: ISql, key: ChangedKey) => Promise<unknown>;

/** Called with the current revision of an existing key while changes are locked; throws to reject the change. */
export type CheckRevision = (revision: number) => void;

type ChangedKey = Pick<ApiKey, "id" | "tenant">;

/** Inserts a new API key and returns it with its secret, which is shown only once. */
export async function issueKey(
  sql: Sql | TransactionSql,
  tenant: string,
  { name, scopes, queues, types, quotas, expiresAt }: NewApiKey,
  note: NoteChange,
): Promise<IssuedApiKey> {
  const { id, text } = createKeyText();
  const hash = await hashKey(text);
  const row = await changing(sql, note, async (tx) => {
    const [inserted] = await tx<KeyRow[]>`
      insert into api_keys (id, tenant, name, scopes, queues, types, quotas, hash, expires_at, revision)
      values (${id}, ${tenant}, ${name}, ${asJson(scopes)}::text::jsonb, ${asJson(queues)}::text::jsonb,
              ${asJson(types)}::text::jsonb, ${asJson(quotas)}::text::jsonb, ${hash}, ${expiresAt}, ${nextRevision(tx)})
      returning ${columns(tx)}`;
    return { changed: inserted, result: inserted };
  });
  if (row === undefined) throw new Error("the API key was not inserted");
  return { ...toApiKey(row), key: text };
}

/** Lists API keys, newest first. Without a `tenant`, lists the keys of all tenants. */
export async function listKeys(
  sql: ISql,
  filter: { tenant?: string | undefined; before?: string | undefined; limit: number },
): Promise<ApiKey[]> {
  const rows = await sql<KeyRow[]>`
    select ${columns(sql)} from api_keys
    where true
      ${filter.tenant === undefined ? sql`` : sql`and tenant = ${filter.tenant}`}
      ${filter.before === undefined ? sql`` : sql`and id < ${filter.before}`}
    order by id desc limit ${filter.limit}`;
  return rows.map(toApiKey);
}

/** Finds an API key by id; with a `tenant`, only if the key belongs to the tenant. */
async function findKey(sql: ISql, id: string, tenant?: string): Promise<ApiKey | undefined> {
  const [row] = await sql<KeyRow[]>`
    select ${columns(sql)} from api_keys where id = ${id} ${ofTenant(sql, tenant)}`;
  return row && toApiKey(row);
}

/** A key and its revision, which changes with every change of the key but not with its use. */
export interface KeyVersion {
  key: ApiKey;
  revision: number;
}

/** Reads a key with its revision; with a `tenant`, only if the key belongs to the tenant. */
export async function readKeyVersion(
  sql: ISql,
  id: string,
  tenant: string | undefined,
): Promise<KeyVersion | undefined> {
  const [row] = await sql<KeyRow[]>`
    select ${columns(sql)} from api_keys where id = ${id} ${ofTenant(sql, tenant)}`;
  return row && { key: toApiKey(row), revision: row.revision };
}

export type Rotated =
  | { status: "rotated"; key: IssuedApiKey }
  | { status: "missing" }
  /** The key is revoked or expired. */
  | { status: "ended" };

/** Gives a key a new secret; the previous secret stays valid for `graceMs`. */
export async function rotateKey(
  sql: Sql | TransactionSql,
  id: string,
  { tenant, graceMs }: { tenant?: string | undefined; graceMs: number },
  note: NoteChange,
  check?: CheckRevision,
): Promise<Rotated> {
  const { text } = createKeyText(id);
  const hash = await hashKey(text);
  return changing<Rotated>(sql, note, async (tx) => {
    await checkRevision(tx, id, tenant, check);
    const [row] = await tx<KeyRow[]>`
      update api_keys set
        previous_hash = hash, previous_until = now() + ${graceMs}::int * interval '1 ms', hash = ${hash},
        rotated_at = now(), revision = ${nextRevision(tx)}
      where id = ${id} ${ofTenant(tx, tenant)}
        and revoked_at is null and (expires_at is null or expires_at > now())
      returning ${columns(tx)}`;
    if (row !== undefined) {
      return { changed: row, result: { status: "rotated", key: { ...toApiKey(row), key: text } } };
    }
    const isMissing = (await findKey(tx, id, tenant)) === undefined;
    return { changed: undefined, result: { status: isMissing ? "missing" : "ended" } };
  });
}

/** Revokes a key; a key that is revoked already keeps its time of revocation. */
export async function revokeKey(
  sql: Sql,
  id: string,
  tenant: string | undefined,
  note: NoteChange,
  check?: CheckRevision,
): Promise<ApiKey | undefined> {
  return changing(sql, note, async (tx) => {
    await checkRevision(tx, id, tenant, check);
    const [changed] = await tx<ChangedKey[]>`
      update api_keys set revoked_at = now(), revision = ${nextRevision(tx)}
      where id = ${id} ${ofTenant(tx, tenant)} and revoked_at is null
      returning id, tenant`;
    return { changed, result: await findKey(tx, id, tenant) };
  });
}

/** Reads the keys that changed after `revision`, in order of revision; 0 reads all keys. */
export function readChangedKeys(sql: ISql, revision: number): Promise<KeyRow[]> {
  return sql<KeyRow[]>`
    select ${columns(sql)} from api_keys where revision > ${revision} order by revision`;
}

/** Records when keys were last used, without a new revision: a use is not a change. */
export async function noteKeyUses(
  sql: ISql,
  uses: readonly { id: string; usedAt: number }[],
): Promise<void> {
  await sql`
    update api_keys set last_used_at = greatest(last_used_at, used.at)
    from unnest(
      ${uses.map(({ id }) => id)}::text[],
      ${uses.map(({ usedAt }) => new Date(usedAt).toISOString())}::timestamptz[]
    ) as used (id, at)
    where api_keys.id = used.id`;
}

async function checkRevision(
  tx: ISql,
  id: string,
  tenant: string | undefined,
  check: CheckRevision | undefined,
): Promise<void> {
  const current = check && (await readKeyVersion(tx, id, tenant));
  if (current !== undefined) check?.(current.revision);
}

interface Change<Result> {
  /** Undefined if nothing was changed. */
  changed: ChangedKey | undefined;
  result: Result;
}

/** Runs `work` under the lock, in the given transaction or else in a new one. */
export async function changing<Result>(
  sql: Sql | TransactionSql,
  note: NoteChange,
  work: (tx: ISql) => Promise<Change<Result>>,
): Promise<Result> {
  if ("begin" in sql) {
    return sql.begin((tx) => changing(tx, note, work)) as Promise<Result>;
  }
  await sql`select pg_advisory_xact_lock(${changeLock})`;
  const { changed, result } = await work(sql);
  if (changed !== undefined) await note(sql, changed);
  return result;
}

export function nextRevision(sql: ISql) {
  return sql`(select coalesce(max(revision), 0) + 1 from api_keys)`;
}

function ofTenant(sql: ISql, tenant: string | undefined) {
  return tenant === undefined ? sql`` : sql`and tenant = ${tenant}`;
}

function columns(sql: ISql) {
  return sql`
    id, tenant, name, scopes, queues, types, quotas, hash, previous_hash as "previousHash",
    previous_until as "previousUntil", created_at as "createdAt", expires_at as "expiresAt",
    last_used_at as "lastUsedAt", rotated_at as "rotatedAt", revoked_at as "revokedAt",
    revision::float8 as revision`;
}

function toApiKey(row: KeyRow): ApiKey {
  const { id, tenant, name, scopes, queues, types, quotas } = row;
  return {
    id,
    tenant,
    name,
    scopes,
    queues,
    types,
    quotas,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    rotatedAt: row.rotatedAt?.toISOString() ?? null,
    previousUntil: row.previousUntil?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
  };
}

function asJson(value: readonly string[] | Quotas | null) {
  return value === null ? null : JSON.stringify(value);
}

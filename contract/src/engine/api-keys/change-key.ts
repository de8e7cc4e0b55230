import type { ISql, Sql } from "postgres";
import { type ApiKey, type ApiKeyChange, hasAdminRestrictions } from "../../api/access/api-key.ts";
import { Quotas } from "../../api/access/quota.ts";
import {
  changing,
  type CheckRevision,
  type KeyVersion,
  nextRevision,
  type NoteChange,
  readKeyVersion,
} from "./key-ledger.ts";

type InvalidField = "scopes" | "quotas";

export type KeyChanged =
  | ({ status: "changed" } & KeyVersion)
  | { status: "missing" }
  /** The key is revoked or expired. */
  | { status: "ended" }
  /** The changed key would violate a rule that concerns several fields. */
  | { status: "invalid"; field: InvalidField; detail: string }
  /** The tenant would have no valid key with `keys:admin`. */
  | { status: "last-admin" };

/** Applies a JSON merge patch to a key of the tenant. */
export async function changeKey(
  sql: Sql,
  id: string,
  { tenant, change, check }: { tenant: string; change: ApiKeyChange; check: CheckRevision },
  note: NoteChange,
): Promise<KeyChanged> {
  return changing<KeyChanged>(sql, note, async (tx) => {
    const current = await readKeyVersion(tx, id, tenant);
    if (current === undefined) return { changed: undefined, result: { status: "missing" } };
    check(current.revision);
    if (hasEnded(current.key)) return { changed: undefined, result: { status: "ended" } };
    const merged = merge(current.key, change);
    if ("status" in merged) return { changed: undefined, result: merged };
    const stopsAdmin = isAdmin(current.key) && (!isAdmin(merged) || hasEnded(merged));
    if (stopsAdmin && !(await hasOtherAdmin(tx, id, tenant))) {
      return { changed: undefined, result: { status: "last-admin" } };
    }
    await tx`
      update api_keys set name = ${merged.name}, scopes = ${toJson(merged.scopes)}::text::jsonb,
        queues = ${toJson(merged.queues)}::text::jsonb, types = ${toJson(merged.types)}::text::jsonb,
        quotas = ${toJson(merged.quotas)}::text::jsonb, expires_at = ${merged.expiresAt}, revision = ${nextRevision(tx)}
      where id = ${id} and tenant = ${tenant}`;
    const changed = await readKeyVersion(tx, id, tenant);
    if (changed === undefined) throw new Error("the changed API key does not exist");
    return { changed: changed.key, result: { status: "changed", ...changed } };
  });
}

function merge(key: ApiKey, change: ApiKeyChange): ApiKey | (KeyChanged & { status: "invalid" }) {
  const { quotas: quotasChange, ...rest } = change;
  const merged: ApiKey = { ...key };
  for (const [field, value] of Object.entries(rest)) {
    if (value !== undefined) Object.assign(merged, { [field]: value });
  }
  if (quotasChange === null) merged.quotas = null;
  else if (quotasChange !== undefined) {
    const entries = Object.entries({ ...key.quotas, ...quotasChange });
    const parsed = Quotas.safeParse(
      Object.fromEntries(entries.filter(([, value]) => value != null)),
    );
    if (!parsed.success) {
      const detail = parsed.error.issues.map(({ message }) => message).join(" ");
      return { status: "invalid", field: "quotas", detail };
    }
    merged.quotas = Object.keys(parsed.data).length === 0 ? null : parsed.data;
  }
  if (!hasAdminRestrictions(merged)) return merged;
  return {
    status: "invalid",
    field: "scopes",
    detail: "A key with keys:admin cannot be restricted by queues, types or quotas.",
  };
}

function isAdmin({ scopes }: ApiKey): boolean {
  return scopes.includes("keys:admin");
}

function hasEnded({ revokedAt, expiresAt }: ApiKey): boolean {
  return revokedAt !== null || (expiresAt !== null && Date.parse(expiresAt) <= Date.now());
}

async function hasOtherAdmin(sql: ISql, id: string, tenant: string): Promise<boolean> {
  const [other] = await sql`
    select from api_keys where tenant = ${tenant} and id <> ${id} and scopes ? 'keys:admin' and revoked_at is null
      and (expires_at is null or expires_at > now()) limit 1`;
  return other !== undefined;
}

function toJson(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

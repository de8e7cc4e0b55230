import type { ISql, Sql, TransactionSql } from "postgres";
import type { Webhook, WebhookDefinition } from "../../api/webhooks/webhook.ts";
import { createJobId } from "../jobs/enqueue/job-id.ts";
import type { WebhookColumns } from "../postgres/tables.ts";

export type WebhookRow = WebhookColumns;

/** Identifies one webhook. */
export type WebhookRef = Pick<WebhookColumns, "tenant" | "name">;

/** Throws to reject a change of the existing webhook; nothing is changed then. */
export type CheckWebhook = (existing: WebhookRow | undefined) => void;

/** Called with the changed webhook inside the changing transaction; a rejection rolls the change back. */
export type NoteWebhook = (tx: ISql, row: WebhookRow) => Promise<unknown>;

export interface SaveWebhookOptions {
  check: CheckWebhook;
  note: NoteWebhook;
  /** Runs in the transaction before a webhook is created; a rejection creates none. */
  beforeCreate(tx: ISql): Promise<void>;
  /** Creates the secret of a new webhook, as it is stored. */
  createSecret(id: string): string;
}

export interface SavedWebhook {
  status: "created" | "replaced";
  row: WebhookRow;
}

/** Creates a webhook or replaces its definition; the secret and `isEnabled` stay, and a new URL ends a pause. */
export async function saveWebhook(
  sql: Sql,
  ref: WebhookRef,
  { url, events, types, queues, labels }: WebhookDefinition,
  { check, note, beforeCreate, createSecret }: SaveWebhookOptions,
): Promise<SavedWebhook> {
  for (;;) {
    let status: SavedWebhook["status"] = "replaced";
    const row = await changeWebhook(sql, ref, check, note, async (tx, existing) => {
      if (existing !== undefined) {
        const [replaced] = await tx<WebhookRow[]>`
          update webhooks set url = ${url}, events = ${events}::text[], types = ${types}::text[],
            queues = ${queues}::text[], labels = ${labels}::text[], version = version + 1, updated_at = now(),
            failing_since = case when url = ${url} then failing_since end,
            paused_until = case when url = ${url} then paused_until end
          where ${isWebhook(tx, ref)} returning ${webhookColumns(tx)}`;
        return replaced;
      }
      await beforeCreate(tx);
      const id = createJobId();
      status = "created";
      const [created] = await tx<WebhookRow[]>`
        insert into webhooks (tenant, name, id, url, events, types, queues, labels, secret)
        values (${ref.tenant}, ${ref.name}, ${id}, ${url}, ${events}::text[], ${types}::text[], ${queues}::text[],
                ${labels}::text[], ${createSecret(id)})
        on conflict do nothing returning ${webhookColumns(tx)}`;
      return created;
    });
    // A concurrent transaction created the webhook between the select and the insert.
    if (row !== undefined) return { status, row };
  }
}

/**
 * Replaces the secret; requests are signed with the previous one, too, for `graceMs`.
 * @param createSecret returns the new secret, as it is stored
 */
export function rotateSecret(
  sql: Sql | TransactionSql,
  ref: WebhookRef,
  { graceMs, createSecret }: { graceMs: number; createSecret(id: string): string },
  check: CheckWebhook,
  note: NoteWebhook,
): Promise<WebhookRow | undefined> {
  return changeWebhook(sql, ref, check, note, async (tx, existing) => {
    if (existing === undefined) return existing;
    const [row] = await tx<WebhookRow[]>`
      update webhooks set previous_secret = secret, previous_until = now() + ${graceMs}::int * interval '1 ms',
        secret = ${createSecret(existing.id)}, version = version + 1, updated_at = now()
      where ${isWebhook(tx, ref)} returning ${webhookColumns(tx)}`;
    return row;
  });
}

/** Enables or disables a webhook. Deliveries that are pending meanwhile are sent once it is enabled again. */
export function setWebhookEnabled(
  sql: Sql | TransactionSql,
  ref: WebhookRef,
  isEnabled: boolean,
  check: CheckWebhook,
  note: NoteWebhook,
): Promise<WebhookRow | undefined> {
  return changeWebhook(sql, ref, check, note, async (tx, existing) => {
    if (existing === undefined || existing.isEnabled === isEnabled) return existing;
    const [row] = await tx<WebhookRow[]>`
      update webhooks set is_enabled = ${isEnabled}, disabled_reason = ${isEnabled ? null : "requested"},
        disabled_at = ${isEnabled ? null : tx`now()`}, failing_since = null, paused_until = null,
        version = version + 1, updated_at = now()
      where ${isWebhook(tx, ref)} returning ${webhookColumns(tx)}`;
    return row;
  });
}

/**
 * Deletes a webhook. Its deliveries are no longer sent; retention deletes them.
 * @returns the deleted webhook
 */
export function deleteWebhook(
  sql: Sql,
  ref: WebhookRef,
  check: CheckWebhook,
  note: NoteWebhook,
): Promise<WebhookRow | undefined> {
  return changeWebhook(sql, ref, check, note, async (tx, existing) => {
    if (existing !== undefined) await tx`delete from webhooks where ${isWebhook(tx, ref)}`;
    return existing;
  });
}

/** Finds a webhook by tenant and name. */
export async function findWebhook(sql: ISql, ref: WebhookRef): Promise<WebhookRow | undefined> {
  const [row] = await sql<WebhookRow[]>`
    select ${webhookColumns(sql)} from webhooks where ${isWebhook(sql, ref)}`;
  return row;
}

/** Lists the webhooks of a tenant in order of name. */
export function listWebhooks(
  sql: ISql,
  { tenant, after = "", limit }: { tenant: string; after?: string | undefined; limit: number },
): Promise<WebhookRow[]> {
  return sql<WebhookRow[]>`
    select ${webhookColumns(sql)} from webhooks where tenant = ${tenant} and name > ${after}
    order by name limit ${limit}`;
}

/** Returns whether any tenant has an enabled webhook, or one for callbacks, which are recorded in any case. */
export async function hasWebhooks(sql: ISql): Promise<boolean> {
  const [row] = await sql<{ exists: boolean }[]>`
    select exists (select from webhooks where is_enabled or 'callback' = any(events)) as exists`;
  return row?.exists ?? false;
}

/** Converts a row to the API's webhook. */
export function toWebhook(row: WebhookRow): Webhook {
  const { name, url, events, types, queues, labels, isEnabled, disabledReason, version } = row;
  return {
    name,
    url,
    events,
    types,
    queues,
    labels,
    enabled: isEnabled,
    disabledReason,
    disabledAt: row.disabledAt?.toISOString() ?? null,
    failingSince: row.failingSince?.toISOString() ?? null,
    pausedUntil: row.pausedUntil?.toISOString() ?? null,
    previousSecretUntil: row.previousUntil?.toISOString() ?? null,
    version,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

async function changeWebhook(
  sql: Sql | TransactionSql,
  ref: WebhookRef,
  check: CheckWebhook,
  note: NoteWebhook,
  work: (tx: ISql, existing: WebhookRow | undefined) => Promise<WebhookRow | undefined>,
): Promise<WebhookRow | undefined> {
  if ("begin" in sql) {
    return sql.begin((tx) => changeWebhook(tx, ref, check, note, work));
  }
  const [existing] = await sql<WebhookRow[]>`
    select ${webhookColumns(sql)} from webhooks where ${isWebhook(sql, ref)} for update`;
  check(existing);
  const row = await work(sql, existing);
  if (row !== undefined) await note(sql, row);
  return row;
}

function isWebhook(sql: ISql, { tenant, name }: WebhookRef) {
  return sql`tenant = ${tenant} and name = ${name}`;
}

function webhookColumns(sql: ISql) {
  return sql`
    tenant, name, id, url, to_jsonb(events) as events, to_jsonb(types) as types, to_jsonb(queues) as queues,
    to_jsonb(labels) as labels, secret, previous_secret as "previousSecret",
    previous_until as "previousUntil", is_enabled as "isEnabled", disabled_reason as "disabledReason",
    disabled_at as "disabledAt", failing_since as "failingSince", paused_until as "pausedUntil", version,
    created_at as "createdAt", updated_at as "updatedAt"`;
}

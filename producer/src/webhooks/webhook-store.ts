import type { TransactionSql } from "postgres";
import type {
  DeliveryReplay,
  ReplayedDeliveries,
  WebhookDelivery,
} from "@toril/contract/api/webhooks/delivery";
import type { IssuedWebhook, WebhookDefinition } from "@toril/contract/api/webhooks/webhook";
import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import {
  type DeliveryFilter,
  listDeliveries,
  recordTest,
  replayDelivery,
  replayRange,
} from "@toril/contract/engine/webhooks/delivery-ledger";
import { sealSigningSecret } from "@toril/contract/engine/webhooks/sealed-secret";
import { createSigningSecret } from "@toril/contract/engine/webhooks/signature";
import {
  type CheckWebhook,
  deleteWebhook,
  findWebhook,
  listWebhooks,
  type NoteWebhook,
  rotateSecret,
  saveWebhook,
  setWebhookEnabled,
  toWebhook,
  type WebhookRow,
} from "@toril/contract/engine/webhooks/webhook-ledger";
import type { AuditTrail } from "../audit/audit.ts";
import { toEtag } from "../http/etag.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { Idempotency } from "../idempotency/idempotency.ts";
import { lockCreation, type TenantLedger } from "../stores/postgres.ts";
import type { Reads } from "../stores/reads.ts";

/** A webhook, and its secret if the request created it. */
export interface PutWebhook {
  row: WebhookRow;
  issued: IssuedWebhook | undefined;
}

/** Webhooks of the caller's tenant. Changes are audited in their transaction; nothing changes if a check throws. */
export interface WebhookStore {
  put(
    context: RequestContext,
    name: string,
    definition: WebhookDefinition,
    check: CheckWebhook,
  ): Promise<PutWebhook>;
  /** Ordered by name. */
  list(tenant: string, page: { after: string | undefined; limit: number }): Promise<WebhookRow[]>;
  find(tenant: string, name: string): Promise<WebhookRow | undefined>;
  /** A repeated request with the same Idempotency-Key fails with a problem: a secret is shown only once. */
  rotate(
    context: RequestContext,
    name: string,
    graceMs: number,
    check: CheckWebhook,
  ): Promise<IssuedWebhook>;
  setEnabled(
    context: RequestContext,
    name: string,
    isEnabled: boolean,
    check: CheckWebhook,
  ): Promise<WebhookRow | undefined>;
  delete(
    context: RequestContext,
    name: string,
    check: CheckWebhook,
  ): Promise<WebhookRow | undefined>;
  test(context: RequestContext, row: WebhookRow): Promise<WebhookDelivery>;
  listDeliveries(tenant: string, filter: DeliveryFilter): ReturnType<typeof listDeliveries>;
  replay(
    context: RequestContext,
    row: WebhookRow,
    id: string,
  ): Promise<WebhookDelivery | undefined>;
  replayRange(
    context: RequestContext,
    row: WebhookRow,
    range: DeliveryReplay,
  ): Promise<ReplayedDeliveries>;
}

export interface WebhookStoreDeps {
  ledger: TenantLedger;
  reads: Reads;
  idempotency: Idempotency;
  secretKeys: KeyRing | undefined;
  /** Per tenant. */
  maxWebhooks: number;
}

export function createWebhookStore(deps: WebhookStoreDeps): WebhookStore {
  const { ledger, reads, idempotency, secretKeys, maxWebhooks } = deps;

  /** Runs work whose result is the body of a 202 response, unless it is undefined. */
  const inTransaction = <Result>(
    { principal: { tenant }, trail, storeEarlyResponse }: RequestContext,
    work: (tx: TransactionSql) => Promise<Result>,
  ) =>
    ledger.run(
      tenant,
      (sql) =>
        sql.begin(async (tx) => {
          const result = await work(tx);
          if (result === undefined) return result;
          await storeEarlyResponse?.(tx, { status: 202, headers: {}, body: result });
          await trail.done(tx);
          return result;
        }) as Promise<Result>,
    );

  return {
    put: ({ principal: { tenant }, trail }, name, definition, check) =>
      ledger.run(tenant, async (sql) => {
        const secret = createSigningSecret();
        const { status, row } = await saveWebhook(sql, { tenant, name }, definition, {
          check,
          note: createAuditCallback(trail),
          beforeCreate: (tx) => requireFreeSlot(tx, tenant, maxWebhooks),
          createSecret: (id) => sealSigningSecret(secret, id, secretKeys),
        });
        return { row, issued: status === "created" ? { ...toWebhook(row), secret } : undefined };
      }),
    list: (tenant, page) => reads.run(tenant, (sql) => listWebhooks(sql, { tenant, ...page })),
    find: (tenant, name) => reads.run(tenant, (sql) => findWebhook(sql, { tenant, name })),
    async rotate(context, name, graceMs, check) {
      const { tenant } = context.principal;
      let issued: IssuedWebhook | undefined;
      await idempotency.inTransaction(context, async (tx) => {
        const secret = createSigningSecret();
        const createSecret = (id: string) => sealSigningSecret(secret, id, secretKeys);
        const rotation = { graceMs, createSecret };
        const note = createAuditCallback(context.trail);
        const row = await rotateSecret(tx, { tenant, name }, rotation, check, note);
        if (row === undefined) throw new ProblemError("webhook-not-found");
        issued = { ...toWebhook(row), secret };
        // The stored response omits the secret, which is never stored as text.
        return { status: 200, body: { name } };
      });
      if (issued !== undefined) return issued;
      throw new ProblemError(
        "response-not-replayable",
        `The original request rotated the secret of the webhook ${name}, which is shown only once. Rotate it again to get a new secret.`,
      );
    },
    setEnabled: ({ principal: { tenant }, trail, storeEarlyResponse }, name, isEnabled, check) =>
      ledger.run(tenant, (sql) =>
        setWebhookEnabled(sql, { tenant, name }, isEnabled, check, async (tx, row) => {
          const webhook = toWebhook(row);
          await storeEarlyResponse?.(tx, {
            status: 200,
            headers: { ETag: toEtag(row.version, webhook) },
            body: webhook,
          });
          await trail.done(tx);
        }),
      ),
    delete: ({ principal: { tenant }, trail }, name, check) =>
      ledger.run(tenant, (sql) =>
        deleteWebhook(sql, { tenant, name }, check, createAuditCallback(trail)),
      ),
    test: (context, { id }) => inTransaction(context, (tx) => recordTest(tx, id, createJobId())),
    listDeliveries: (tenant, filter) => reads.run(tenant, (sql) => listDeliveries(sql, filter)),
    replay: (context, row, id) => inTransaction(context, (tx) => replayDelivery(tx, row.id, id)),
    replayRange: (context, row, range) =>
      inTransaction(context, (tx) => replayRange(tx, row.id, range)),
  };
}

function createAuditCallback(trail: AuditTrail): NoteWebhook {
  return (tx) => trail.done(tx);
}

async function requireFreeSlot(
  tx: Parameters<typeof lockCreation>[0],
  tenant: string,
  maxWebhooks: number,
) {
  await lockCreation(tx, "webhooks", tenant);
  const existing = await listWebhooks(tx, { tenant, limit: maxWebhooks });
  if (existing.length >= maxWebhooks) {
    throw new ProblemError(
      "too-many-webhooks",
      `A tenant may have at most ${maxWebhooks} webhooks.`,
    );
  }
}

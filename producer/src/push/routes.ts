import type { Api } from "@toril/contract/api/http/index";
import { limits } from "@toril/contract/api/limits";
import { fieldErrors } from "@toril/contract/api/problem";
import type { IssuedPushEndpoint } from "@toril/contract/api/push-endpoint";
import { SecretRotation } from "@toril/contract/api/webhooks/webhook";
import { findJobType } from "@toril/contract/engine/job-types/job-type-ledger";
import {
  findEndpoint,
  resetEndpoint,
  rotateEndpoint,
  toEndpoint,
} from "@toril/contract/engine/push/endpoint-ledger";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { sealSigningSecret } from "@toril/contract/engine/webhooks/sealed-secret";
import { createSigningSecret } from "@toril/contract/engine/webhooks/signature";
import { hasBody, readJson } from "../http/body.ts";
import { requirePermitted } from "../http/caller.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import type { Idempotency } from "../idempotency/idempotency.ts";
import type { TenantLedger } from "../stores/postgres.ts";
import type { Reads } from "../stores/reads.ts";

export interface PushRoutesDeps {
  api: Api;
  ledger: TenantLedger;
  reads: Reads;
  idempotency: Idempotency;
  secretKeys: KeyRing | undefined;
}

export function pushRoutes(deps: PushRoutesDeps): HandledRoute[] {
  const { api, ledger, reads, idempotency, secretKeys } = deps;

  /** Returns the URL of a type's endpoint. Throws a problem if the type has none or is not permitted. */
  async function requireUrl(context: RequestContext, type: string): Promise<string> {
    const { tenant } = context.principal;
    const row = await reads.run(tenant, (sql) => findJobType(sql, { tenant, type }));
    if (row !== undefined) requirePermitted(context, row);
    const url = row?.definition.push?.url;
    if (url === undefined) throw new ProblemError("push-endpoint-not-found");
    return url;
  }

  return [
    handle(api.getPushEndpoint, async (c) => {
      const { type } = c.req.valid("param");
      const { tenant } = c.env.principal;
      const url = await requireUrl(c.env, type);
      const row = await reads.run(tenant, (sql) => findEndpoint(sql, { tenant, type }));
      if (row === undefined) throw new ProblemError("push-endpoint-not-found");
      return c.json(toEndpoint(row, url), 200);
    }),

    handle(api.rotatePushEndpoint, async (c) => {
      const { type } = c.req.valid("param");
      const { tenant } = c.env.principal;
      const url = await requireUrl(c.env, type);
      // The body is optional.
      const body = hasBody(c.req.raw) ? await readJson(c.env, limits.bodyBytes) : {};
      const parsed = SecretRotation.safeParse(body);
      if (!parsed.success) {
        throw new ProblemError("invalid-request", undefined, fieldErrors(parsed.error.issues));
      }
      let issued: IssuedPushEndpoint | undefined;
      await idempotency.inTransaction(c.env, async (tx) => {
        const signingSecret = createSigningSecret();
        const createSecret = (id: string) => sealSigningSecret(signingSecret, id, secretKeys);
        const rotation = { graceMs: parsed.data.graceMs, createSecret };
        const row = await rotateEndpoint(tx, { tenant, type }, rotation);
        if (row === undefined) throw new ProblemError("push-endpoint-not-found");
        issued = { ...toEndpoint(row, url), signingSecret };
        await c.env.trail.done(tx);
        // The stored response omits the secret.
        return { status: 200, body: { type } };
      });
      if (issued !== undefined) return c.json(issued, 200, { "Cache-Control": "no-store" });
      throw new ProblemError(
        "response-not-replayable",
        `The original request rotated the secret of ${type}, which is shown only once. Rotate it again to get a new secret.`,
      );
    }),

    handle(api.resetPushEndpoint, async (c) => {
      const { type } = c.req.valid("param");
      const { tenant } = c.env.principal;
      const url = await requireUrl(c.env, type);
      const endpoint = await ledger.run(tenant, (sql) =>
        sql.begin(async (tx) => {
          const row = await resetEndpoint(tx, { tenant, type });
          if (row === undefined) throw new ProblemError("push-endpoint-not-found");
          const body = toEndpoint(row, url);
          await c.env.storeEarlyResponse?.(tx, { status: 200, headers: {}, body });
          await c.env.trail.done(tx);
          return body;
        }),
      );
      return c.json(endpoint, 200);
    }),
  ];
}

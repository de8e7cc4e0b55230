import type { TransactionSql } from "postgres";
import type {
  ApiKey,
  ApiKeyChange,
  IssuedApiKey,
  NewApiKey,
} from "@toril/contract/api/access/api-key";
import { changeKey, type KeyChanged } from "@toril/contract/engine/api-keys/change-key";
import {
  type CheckRevision,
  issueKey,
  type KeyVersion,
  listKeys,
  type NoteChange,
  readKeyVersion,
  revokeKey,
  rotateKey,
} from "@toril/contract/engine/api-keys/key-ledger";
import type { AuditTrail } from "../audit/audit.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { Idempotency } from "../idempotency/idempotency.ts";
import type { TenantLedger } from "../stores/postgres.ts";
import { requirePreconditions } from "../http/etag.ts";
import { ProblemError } from "../http/problem.ts";
import type { Reads } from "../stores/reads.ts";

/**
 * API keys of a tenant. Creating a key again with the same Idempotency-Key fails with a problem that names the key: a
 * secret is shown only once.
 */
export interface KeyStore {
  issue(context: RequestContext, key: NewApiKey): Promise<IssuedApiKey>;
  /** Newest first. */
  list(tenant: string, page: { before: string | undefined; limit: number }): Promise<ApiKey[]>;
  find(tenant: string, id: string): Promise<KeyVersion | undefined>;
  /** Applies a JSON merge patch. */
  change(context: RequestContext, id: string, change: ApiKeyChange): Promise<KeyVersion>;
  rotate(context: RequestContext, id: string, graceMs: number): Promise<IssuedApiKey>;
  revoke(context: RequestContext, id: string): Promise<ApiKey | undefined>;
}

export interface KeyStoreDeps {
  ledger: TenantLedger;
  reads: Reads;
  idempotency: Idempotency;
  /** Loads key changes into this producer at once; other producers poll for them. */
  refresh(): Promise<void>;
}

export function createKeyStore({ ledger, reads, idempotency, refresh }: KeyStoreDeps): KeyStore {
  async function issueOnce(
    context: RequestContext,
    work: (tx: TransactionSql) => Promise<IssuedApiKey>,
  ): Promise<IssuedApiKey> {
    let issued: IssuedApiKey | undefined;
    const { body } = await idempotency.inTransaction(context, async (tx) => {
      issued = await work(tx);
      // The stored response omits the secret, which is never stored.
      return { status: 200, body: { id: issued.id } };
    });
    if (issued === undefined) throw toNotReplayableProblem(body.id);
    await refresh();
    return issued;
  }

  return {
    issue: (context, key) =>
      issueOnce(context, (tx) =>
        issueKey(tx, context.principal.tenant, key, createAuditCallback(context.trail)),
      ),
    list: (tenant, page) => reads.run(tenant, (sql) => listKeys(sql, { tenant, ...page })),
    find: (tenant, id) => reads.run(tenant, (sql) => readKeyVersion(sql, id, tenant)),
    async change({ principal: { tenant }, request, trail }, id, change) {
      const check = createCheck(request);
      const outcome = await ledger.run(tenant, (sql) =>
        changeKey(sql, id, { tenant, change, check }, createAuditCallback(trail)),
      );
      await refresh();
      if (outcome.status !== "changed") throw toUnchangedProblem(outcome);
      return outcome;
    },
    rotate: (context, id, graceMs) =>
      issueOnce(context, async (tx) => {
        const { tenant } = context.principal;
        const rotated = await rotateKey(
          tx,
          id,
          { tenant, graceMs },
          createAuditCallback(context.trail),
          createCheck(context.request),
        );
        if (rotated.status === "missing") throw new ProblemError("key-not-found");
        if (rotated.status === "ended") throw new ProblemError("key-ended");
        return rotated.key;
      }),
    async revoke({ principal: { tenant }, request, trail }, id) {
      const revoked = await ledger.run(tenant, (sql) =>
        revokeKey(sql, id, tenant, createAuditCallback(trail), createCheck(request)),
      );
      await refresh();
      return revoked;
    },
  };
}

function createCheck(request: Request): CheckRevision {
  return (revision) => requirePreconditions(request, revision);
}

function createAuditCallback(trail: AuditTrail): NoteChange {
  return (tx, { id }) => trail.done(tx, `/v1/keys/${id}`);
}

function toUnchangedProblem(outcome: Exclude<KeyChanged, { status: "changed" }>): ProblemError {
  if (outcome.status === "invalid") {
    const { field, detail } = outcome;
    return new ProblemError("invalid-key", undefined, [{ pointer: `/${field}`, detail }]);
  }
  if (outcome.status === "last-admin") {
    return new ProblemError("last-admin-key", "Create another key with keys:admin first.");
  }
  return new ProblemError(outcome.status === "missing" ? "key-not-found" : "key-ended");
}

function toNotReplayableProblem(id: string) {
  return new ProblemError(
    "response-not-replayable",
    `The original request created or rotated the key ${id}, whose secret is shown only once. Rotate the key to get a new secret.`,
    undefined,
    { headers: { Location: `/v1/keys/${id}` } },
  );
}

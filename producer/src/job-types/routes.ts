import type { Api } from "@toril/contract/api/http/index";
import { defaultTenant } from "@toril/contract/api/access/api-key";
import { NewTypeName } from "@toril/contract/api/job-type-registration";
import { limits } from "@toril/contract/api/limits";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { checkRegistration } from "@toril/contract/engine/job-types/check-registration";
import {
  deleteJobType,
  findJobType,
  type JobTypeRow,
  listJobTypes,
  saveJobType,
} from "@toril/contract/engine/job-types/job-type-ledger";
import { deleteEndpoint, saveEndpoint } from "@toril/contract/engine/push/endpoint-ledger";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { sealSigningSecret } from "@toril/contract/engine/webhooks/sealed-secret";
import { createSigningSecret } from "@toril/contract/engine/webhooks/signature";
import { isPermitted } from "../auth/principal.ts";
import { readJson } from "../http/body.ts";
import { requirePermitted } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { isNotModified, requirePreconditions, toEtag } from "../http/etag.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import type { TenantLedger } from "../stores/postgres.ts";
import type { Reads } from "../stores/reads.ts";
import { describeCode, describeRegistered } from "./describe.ts";

export interface JobTypeRoutesDeps {
  api: Api;
  /** The job types that are defined in code. */
  code: JobTypeRegistry;
  ledger: TenantLedger;
  reads: Reads;
  /** Encrypt the secrets of push endpoints. */
  secretKeys: KeyRing | undefined;
  /** Per tenant. */
  maxJobTypes: number;
}

export function jobTypeRoutes(deps: JobTypeRoutesDeps): HandledRoute[] {
  const { api, code, ledger, reads, secretKeys, maxJobTypes } = deps;

  /** Throws a problem if the type or its queue is defined in code. */
  function requireOwn(type: string, queue: string) {
    if (code.find(type) !== undefined) {
      throw new ProblemError("job-type-conflict", `The job type ${type} is defined in code.`);
    }
    if (code.queues.includes(queue)) {
      throw new ProblemError(
        "job-type-conflict",
        `The queue ${queue} has job types that are defined in code.`,
        [{ pointer: "/queue", detail: "Choose another queue." }],
      );
    }
  }

  /** Refuses a queue with types that the key may not use: their workers would get jobs of the new type. */
  async function requirePermittedQueue({ principal, jobTypes }: RequestContext, queue: string) {
    await jobTypes.refresh();
    const types = jobTypes.forTenant(principal.tenant).getTypes(queue);
    if (types.every((type) => isPermitted(principal, { type, queue }))) return;
    const detail = `The key does not permit all job types of the queue ${queue}.`;
    throw new ProblemError("forbidden-resource", detail, [
      { pointer: "/queue", detail: "Choose another queue." },
    ]);
  }

  function checkVersion(context: RequestContext) {
    return (existing: JobTypeRow | undefined) => {
      if (existing !== undefined) requirePermitted(context, existing);
      requirePreconditions(context.request, existing?.version);
    };
  }

  return [
    handle(api.putJobType, async (c) => {
      const { type } = c.req.valid("param");
      const { tenant } = c.env.principal;
      const checked = checkRegistration(await readJson(c.env, limits.bodyBytes, c.env.quota));
      if (checked.status === "refused") {
        throw new ProblemError("invalid-job-type", undefined, checked.errors);
      }
      const { queue = getDefaultQueue(tenant, type), ...rest } = checked.registration;
      requireOwn(type, queue);
      requirePermitted(c.env, { type, queue });
      await requirePermittedQueue(c.env, queue);
      const { trail } = c.env;
      let signingSecret: string | undefined;
      const saved = await ledger.run(tenant, (sql) =>
        saveJobType(
          sql,
          { tenant, type },
          { ...rest, queue },
          {
            check: checkVersion(c.env),
            force: c.req.valid("query").force === "true",
            maxTypes: maxJobTypes,
            alongside: (tx) => trail.done(tx),
            async onSaved(tx, existing) {
              if (rest.worker !== "push") return;
              const secret = createSigningSecret();
              const isCreated = await saveEndpoint(
                tx,
                { tenant, type },
                {
                  isMoved: existing?.definition.push?.url !== rest.push?.url,
                  createSecret: (id) => sealSigningSecret(secret, id, secretKeys),
                },
              );
              if (isCreated) signingSecret = secret;
            },
          },
        ),
      );
      if (saved.status === "breaking") {
        throw new ProblemError(
          "breaking-change",
          "Jobs of this type are pending, or a schedule uses it. Send `?force=true` to change it nevertheless.",
          saved.changes,
        );
      }
      if (saved.status === "queue-taken") {
        throw new ProblemError(
          "job-type-conflict",
          `The queue ${queue} belongs to another tenant or still has its jobs, or has another kind of worker.`,
          [{ pointer: "/queue", detail: "Choose another queue." }],
        );
      }
      if (saved.status === "full") {
        const detail = `A tenant may have at most ${maxJobTypes} job types.`;
        throw new ProblemError("too-many-job-types", detail);
      }
      await c.env.jobTypes.refresh();
      const description = describeRegistered(saved.row);
      const headers = { ETag: toEtag(saved.row.version, description) };
      const body = signingSecret === undefined ? description : { ...description, signingSecret };
      return saved.status === "created"
        ? c.json(body, 201, { ...headers, Location: `/v1/job-types/${type}` })
        : c.json(body, 200, headers);
    }),

    handle(api.listJobTypes, async (c) => {
      const { cursor, limit } = c.req.valid("query");
      const after = cursor === undefined ? "" : decodeCursor(cursor, NewTypeName);
      const { principal } = c.env;
      const { tenant } = principal;
      // One more than requested shows whether there is a next page.
      const rows = await reads.run(tenant, (sql) =>
        listJobTypes(sql, { tenant, after, limit: limit + 1 }),
      );
      const found = [
        ...rows.map((row) => ({ type: row.type, queue: row.queue, row })),
        ...code.types.filter(({ type }) => type > after),
      ].toSorted((one, other) => (one.type < other.type ? -1 : 1));
      const items = found
        .slice(0, limit)
        .filter((one) => isPermitted(principal, one))
        .map((one) => ("row" in one ? describeRegistered(one.row) : describeCode(one)));
      const last = found.length > limit ? found[limit - 1] : undefined;
      return c.json({ items, next: last ? encodeCursor(last.type) : null }, 200);
    }),

    handle(api.getJobType, async (c) => {
      const { type } = c.req.valid("param");
      const { tenant } = c.env.principal;
      const jobType = code.find(type);
      const row =
        jobType === undefined
          ? await reads.run(tenant, (sql) => findJobType(sql, { tenant, type }))
          : undefined;
      const description =
        jobType === undefined ? row && describeRegistered(row) : describeCode(jobType);
      if (description === undefined) throw new ProblemError("job-type-not-found");
      requirePermitted(c.env, description);
      const headers = { ETag: toEtag(description.version, description) };
      if (isNotModified(c.env.request, headers.ETag)) return c.body(null, 304, headers);
      return c.json(description, 200, headers);
    }),

    handle(api.deleteJobType, async (c) => {
      const { type } = c.req.valid("param");
      const { tenant } = c.env.principal;
      const { trail } = c.env;
      if (code.find(type) !== undefined) {
        throw new ProblemError("job-type-conflict", `The job type ${type} is defined in code.`);
      }
      const deleted = await ledger.run(tenant, (sql) =>
        deleteJobType(
          sql,
          { tenant, type },
          {
            check(existing) {
              if (existing === undefined) throw new ProblemError("job-type-not-found");
              checkVersion(c.env)(existing);
            },
            async alongside(tx) {
              await deleteEndpoint(tx, { tenant, type });
              await trail.done(tx);
            },
          },
        ),
      );
      if (deleted.status === "not-found") throw new ProblemError("job-type-not-found");
      if (deleted.status === "in-use") {
        throw new ProblemError(
          "job-type-in-use",
          deleted.by === "jobs"
            ? "Jobs of this type are pending: wait for their end, or cancel them."
            : "A schedule uses this type.",
        );
      }
      await c.env.jobTypes.refresh();
      return c.json(describeRegistered(deleted.row), 200);
    }),
  ];
}

/** Two tenants may register types of one name, each with a queue of its own. */
function getDefaultQueue(tenant: string, type: string): string {
  return tenant === defaultTenant ? type : `${tenant}.${type}`;
}

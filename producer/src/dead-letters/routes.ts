import type { Redriven } from "@toril/contract/api/jobs/dead-letter";
import type { Api } from "@toril/contract/api/http/index";
import { limits } from "@toril/contract/api/limits";
import { fieldErrors } from "@toril/contract/api/problem";
import { readJson } from "../http/body.ts";
import {
  getOrigin,
  getRestrictions,
  parseKnown,
  requireKnown,
  requirePermitted,
  toOperationOwner,
} from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import type { Alongside, JobChanges } from "../jobs/job-changes.ts";
import type { LiveJobs } from "../jobs/live-jobs.ts";
import { type JobReader, requireJob } from "../jobs/read-jobs.ts";
import { redactDeadLetter, redactJob, storeEarlyJobResponse } from "../jobs/shown-data.ts";
import { operationHeaders, type OperationLedger } from "../operations/operation-ledger.ts";
import { withQuota } from "../quotas/quota-reservation.ts";
import {
  type DeadLetters,
  type InspectedRow,
  toDeadLetter,
  toInspectedDeadLetter,
} from "./dead-letters.ts";

export interface DeadLetterRoutesDeps {
  api: Api;
  deadLetters: DeadLetters;
  jobReader: JobReader;
  liveJobs: LiveJobs;
  jobChanges: JobChanges;
  operations: OperationLedger;
}

export function deadLetterRoutes(deps: DeadLetterRoutesDeps): HandledRoute[] {
  const { api, deadLetters, jobReader, liveJobs, jobChanges, operations } = deps;

  /** Returns the dead letter that a request names. Throws a problem if it does not exist or is not permitted. */
  async function requireDeadLetter(context: RequestContext, id: string): Promise<InspectedRow> {
    const row = await deadLetters.find(context.principal.tenant, id);
    if (row === undefined) throw new ProblemError("dead-letter-not-found");
    requirePermitted(context, row);
    return row;
  }

  return [
    handle(api.listDeadLetters, async (c) => {
      const { cursor, limit, ...filter } = c.req.valid("query");
      await requireKnown(c.env, filter);
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      const { tenant } = c.env.principal;
      const search = { tenant, before, restrictions: getRestrictions(c.env), ...filter };
      const { rows, next = null } = await deadLetters.list(search, limit);
      return c.json({ items: rows.map(toDeadLetter), next: next && encodeCursor(next) }, 200);
    }),

    handle(api.summarizeDeadLetters, async (c) =>
      c.json(await deadLetters.summarize(c.env.principal.tenant, getRestrictions(c.env)), 200),
    ),

    handle(api.getDeadLetter, async (c) => {
      const row = await requireDeadLetter(c.env, c.req.valid("param").id);
      return c.json(toInspectedDeadLetter(c.env.jobTypes, row), 200);
    }),

    handle(api.redriveDeadLetter, async (c) => {
      const { id } = c.req.valid("param");
      await requireDeadLetter(c.env, id);
      const { tenant, quotaKey } = getOrigin(c.env);
      const headers = { Location: `/v1/jobs/${id}` };
      const alongside = storeEarlyJobResponse(c.env, id, liveJobs.toUndispatchedJob, {
        status: 202,
        headers,
      });
      const retried = await withQuota(c.env.quota, 1, () =>
        jobChanges.retry(tenant, [id], { statuses: ["dead"], quotaKey }, { alongside }),
      );
      if (!retried.has(id)) {
        await requireDeadLetter(c.env, id);
        throw new ProblemError("key-taken");
      }
      const row = await requireJob(jobReader, c.env, id);
      return c.json(redactJob(c.env, await liveJobs.toJob(row)), 202, headers);
    }),

    handle(api.redriveDeadLetters, async (c) => {
      const body = await readJson(c.env, limits.bodyBytes);
      const parsed = await parseKnown(c.env, ({ RedriveRequest }) => RedriveRequest, body);
      if (!parsed.success) {
        throw new ProblemError("invalid-operation", undefined, fieldErrors(parsed.error.issues));
      }
      const { ids, filter = {}, ...options } = parsed.data;
      if (ids !== undefined) return c.json(await redriveByIds(deps, c.env, ids), 200);
      const owner = toOperationOwner(c.env);
      const request = { ...options, filter, action: "retry" as const };
      if (request.dryRun) {
        c.env.changesNothing();
        return c.json(await operations.preview(owner, request), 200);
      }
      const operation = await operations.create(owner, request, {
        storeResponse: c.env.storeEarlyResponse,
      });
      return c.json(operation, 202, operationHeaders(operation));
    }),

    handle(api.deleteDeadLetter, async (c) => {
      const { id } = c.req.valid("param");
      const row = await requireDeadLetter(c.env, id);
      if (!(await jobChanges.deleteDead(c.env.principal.tenant, id)))
        throw new ProblemError("dead-letter-not-found");
      return c.json(redactDeadLetter(c.env, toDeadLetter(row)), 200);
    }),
  ];
}

async function redriveByIds(
  { deadLetters, jobChanges }: DeadLetterRoutesDeps,
  context: RequestContext,
  requested: readonly string[],
): Promise<Redriven> {
  const ids = [...new Set(requested)];
  const { tenant, quotaKey } = getOrigin(context);
  const known = await deadLetters.findDead(tenant, getRestrictions(context), ids);
  function toResponse(redriven: ReadonlySet<string>): Redriven {
    const results = ids.map((id): Redriven["results"][number] => {
      if (redriven.has(id)) return { id, outcome: "redriven" };
      return { id, outcome: known.has(id) ? "key-taken" : "not-found" };
    });
    const counts = { redriven: redriven.size, rejected: ids.length - redriven.size };
    return { counts, results };
  }
  if (known.size === 0) return toResponse(known);
  const { storeEarlyResponse } = context;
  const alongside: Alongside | undefined =
    storeEarlyResponse &&
    ((tx, redriven) => storeEarlyResponse(tx, { status: 200, body: toResponse(redriven) }));
  const retry = { statuses: ["dead"] as const, quotaKey };
  const redriven = await withQuota(context.quota, known.size, () =>
    jobChanges.retry(tenant, [...known], retry, { alongside }),
  );
  return toResponse(redriven);
}

import type { RouteHandler } from "@hono/zod-openapi";
import type { Redriven } from "@toril/contract/api/dead-letter";
import type { redriveDeadLetters as route } from "@toril/contract/api/http/dead-letters";
import { limits } from "@toril/contract/api/job";
import { RedriveRequest } from "@toril/contract/api/operation";
import { fieldErrors } from "@toril/contract/api/problem";
import type { AppEnv } from "../http/app-env.ts";
import type { Bodiless } from "../http/bodiless.ts";
import { readJson } from "../http/body.ts";
import { callerOf, toOperationOwner, getRestrictions } from "../http/caller.ts";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import type { Alongside, JobChanges } from "../jobs/job-changes.ts";
import { operationHeaders, type OperationLedger } from "../operations/operation-ledger.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import { charging } from "../quotas/quota-reservation.ts";

export function redriveDeadLetters(
  letters: DeadLetters,
  changes: JobChanges,
  operations: OperationLedger,
): RouteHandler<Bodiless<typeof route>, AppEnv> {
  async function redrive(exchange: RequestContext, given: string[]) {
    const ids = [...new Set(given)];
    const { tenant, quotaKey } = callerOf(exchange);
    const known = await letters.known(tenant, getRestrictions(exchange), ids);
    function toAnswer(redriven: ReadonlySet<string>): Redriven {
      const results = ids.map((id): Redriven["results"][number] => {
        if (redriven.has(id)) return { id, outcome: "redriven" };
        return { id, outcome: known.has(id) ? "key-taken" : "not-found" };
      });
      const counts = { redriven: redriven.size, rejected: ids.length - redriven.size };
      return { counts, results };
    }
    if (known.size === 0) return toAnswer(known);
    const { keepResponse: keep } = exchange;
    const alongside: Alongside | undefined =
      keep && ((tx, redriven) => keep(tx, { status: 200, answer: toAnswer(redriven) }));
    const retry = { statuses: ["dead"] as const, quotaKey };
    const redriven = await charging(exchange.charge, known.size, () =>
      changes.retry(tenant, [...known], retry, { alongside }),
    );
    return toAnswer(redriven);
  }

  return async (c) => {
    const parsed = RedriveRequest.safeParse(await readJson(c.env, limits.bodyBytes));
    if (!parsed.success) {
      throw new ProblemError("invalid-operation", undefined, fieldErrors(parsed.error.issues));
    }
    const { ids, filter = {}, ...options } = parsed.data;
    if (ids !== undefined) return c.json(await redrive(c.env, ids), 200);
    const maker = toOperationOwner(c.env);
    const request = { ...options, filter, action: "retry" as const };
    if (request.dryRun) return c.json(await operations.preview(maker, request), 200);
    const operation = await operations.create(maker, request, c.env.keepResponse);
    return c.json(operation, 202, operationHeaders(operation));
  };
}

import type { RouteHandler } from "@hono/zod-openapi";
import type { Redriven } from "@toril/contract/dead-letter";
import type { redriveDeadLetters as route } from "@toril/contract/http/dead-letters";
import { limits } from "@toril/contract/job";
import { RedriveRequest } from "@toril/contract/operation";
import { fieldErrors } from "@toril/contract/problem";
import type { AppEnv } from "../app-env.ts";
import type { Bodiless } from "../bodiless.ts";
import { readJson } from "../body.ts";
import { callerOf, operationMakerOf, reachOf } from "../caller.ts";
import type { DeadLetters } from "../dead-letters.ts";
import type { Alongside, JobChanges } from "../job-changes.ts";
import { operationHeaders, type OperationLedger } from "../operation-ledger.ts";
import type { Exchange } from "../exchange.ts";
import { ProblemError } from "../problem.ts";
import { charging } from "../charge.ts";

export function redriveDeadLetters(
  letters: DeadLetters,
  changes: JobChanges,
  operations: OperationLedger,
): RouteHandler<Bodiless<typeof route>, AppEnv> {
  async function redrive(exchange: Exchange, given: string[]) {
    const ids = [...new Set(given)];
    const { tenant, quotaKey } = callerOf(exchange);
    const known = await letters.known(tenant, reachOf(exchange), ids);
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
    const maker = operationMakerOf(c.env);
    const request = { ...options, filter, action: "retry" as const };
    if (request.dryRun) return c.json(await operations.preview(maker, request), 200);
    const operation = await operations.create(maker, request, c.env.keepResponse);
    return c.json(operation, 202, operationHeaders(operation));
  };
}

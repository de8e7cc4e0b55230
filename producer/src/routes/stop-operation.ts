import type { RouteHandler } from "@hono/zod-openapi";
import type { stopOperation as route } from "@toril/contract/http/operations";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import type { OperationLedger } from "../operation-ledger.ts";
import { ProblemError } from "../problem.ts";

export function stopOperation(operations: OperationLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const { tenant } = callerOf(c.env);
    await operations.stop(tenant, id);
    const found = await operations.find(tenant, id);
    if (found === undefined) throw new ProblemError("operation-not-found");
    if (found.status === "done" || found.status === "failed") {
      throw new ProblemError("operation-ended", `It is ${found.status}.`);
    }
    return c.json(found, 202);
  };
}

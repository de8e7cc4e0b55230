import type { RouteHandler } from "@hono/zod-openapi";
import type { getOperation as route } from "@toril/contract/http/operations";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import type { OperationLedger } from "../operation-ledger.ts";
import { ProblemError } from "../problem.ts";

export function getOperation(operations: OperationLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const found = await operations.find(callerOf(c.env).tenant, c.req.valid("param").id);
    if (found === undefined) throw new ProblemError("operation-not-found");
    return c.json(found, 200);
  };
}

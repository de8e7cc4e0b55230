import type { RouteHandler } from "@hono/zod-openapi";
import type { getOperation as route } from "@toril/contract/api/http/operations";
import type { AppEnv } from "../http/app-env.ts";
import type { OperationLedger } from "../operations/operation-ledger.ts";
import { requireOperation } from "../operations/require-operation.ts";

export function getOperation(operations: OperationLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    return c.json(await requireOperation(operations, c.env, c.req.valid("param").id), 200);
  };
}

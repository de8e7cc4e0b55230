import type { RouteHandler } from "@hono/zod-openapi";
import type { stopOperation as route } from "@toril/contract/api/http/operations";
import type { AppEnv } from "../http/app-env.ts";
import { operationViewerOf } from "../http/caller.ts";
import type { OperationLedger } from "../operations/operation-ledger.ts";
import { ProblemError } from "../http/problem.ts";
import { requireOperation } from "../operations/require-operation.ts";

export function stopOperation(operations: OperationLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    await operations.stop(operationViewerOf(c.env), id);
    const found = await requireOperation(operations, c.env, id);
    if (found.status === "done" || found.status === "failed") {
      throw new ProblemError("operation-ended", `It is ${found.status}.`);
    }
    return c.json(found, 202);
  };
}

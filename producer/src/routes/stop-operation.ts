import type { RouteHandler } from "@hono/zod-openapi";
import type { stopOperation as route } from "@toril/contract/http/operations";
import type { AppEnv } from "../app-env.ts";
import { operationViewerOf } from "../caller.ts";
import type { OperationLedger } from "../operation-ledger.ts";
import { ProblemError } from "../problem.ts";
import { requireOperation } from "../require-operation.ts";

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

import type { RouteHandler } from "@hono/zod-openapi";
import type { createOperation as route } from "@toril/contract/http/operations";
import { limits } from "@toril/contract/job";
import { OperationRequest } from "@toril/contract/operation";
import { fieldErrors } from "@toril/contract/problem";
import type { AppEnv } from "../app-env.ts";
import type { Bodiless } from "../bodiless.ts";
import { readJson } from "../body.ts";
import { operationMakerOf } from "../caller.ts";
import { operationHeaders, type OperationLedger } from "../operation-ledger.ts";
import { ProblemError } from "../problem.ts";

export function createOperation(
  operations: OperationLedger,
): RouteHandler<Bodiless<typeof route>, AppEnv> {
  return async (c) => {
    const parsed = OperationRequest.safeParse(await readJson(c.env, limits.bodyBytes));
    if (!parsed.success) {
      throw new ProblemError("invalid-operation", undefined, fieldErrors(parsed.error.issues));
    }
    const maker = operationMakerOf(c.env);
    if (parsed.data.dryRun) return c.json(await operations.preview(maker, parsed.data), 200);
    const operation = await operations.create(maker, parsed.data, c.env.keepResponse);
    return c.json(operation, 202, operationHeaders(operation));
  };
}

import type { RouteHandler } from "@hono/zod-openapi";
import type { createOperation as route } from "@toril/contract/api/http/operations";
import { limits } from "@toril/contract/api/job";
import { OperationRequest } from "@toril/contract/api/operation";
import { fieldErrors } from "@toril/contract/api/problem";
import type { AppEnv } from "../http/app-env.ts";
import type { Bodiless } from "../http/bodiless.ts";
import { readJson } from "../http/body.ts";
import { toOperationOwner } from "../http/caller.ts";
import { operationHeaders, type OperationLedger } from "../operations/operation-ledger.ts";
import { ProblemError } from "../http/problem.ts";

export function createOperation(
  operations: OperationLedger,
): RouteHandler<Bodiless<typeof route>, AppEnv> {
  return async (c) => {
    const parsed = OperationRequest.safeParse(await readJson(c.env, limits.bodyBytes));
    if (!parsed.success) {
      throw new ProblemError("invalid-operation", undefined, fieldErrors(parsed.error.issues));
    }
    const maker = toOperationOwner(c.env);
    if (parsed.data.dryRun) return c.json(await operations.preview(maker, parsed.data), 200);
    const operation = await operations.create(maker, parsed.data, c.env.keepResponse);
    return c.json(operation, 202, operationHeaders(operation));
  };
}

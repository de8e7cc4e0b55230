import type { Api } from "@toril/contract/api/http/index";
import { limits } from "@toril/contract/api/limits";
import type { Operation } from "@toril/contract/api/operation";
import { fieldErrors } from "@toril/contract/api/problem";
import { readJson } from "../http/body.ts";
import { parseKnown, toOperationOwner, toOperationViewer } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import { operationHeaders, type OperationLedger } from "./operation-ledger.ts";

export function operationRoutes(api: Api, operations: OperationLedger): HandledRoute[] {
  /** Returns the operation that a request names. Throws a problem if it does not exist or is not permitted. */
  async function requireOperation(context: RequestContext, id: string): Promise<Operation> {
    const operation = await operations.find(toOperationViewer(context), id);
    if (operation === undefined) throw new ProblemError("operation-not-found");
    if (operation === "hidden") {
      throw new ProblemError(
        "forbidden-resource",
        "The operation covers jobs of queues or types that the key does not permit.",
      );
    }
    return operation;
  }

  return [
    handle(api.createOperation, async (c) => {
      const body = await readJson(c.env, limits.bodyBytes);
      const parsed = await parseKnown(c.env, ({ OperationRequest }) => OperationRequest, body);
      if (!parsed.success) {
        throw new ProblemError("invalid-operation", undefined, fieldErrors(parsed.error.issues));
      }
      const owner = toOperationOwner(c.env);
      if (parsed.data.dryRun) {
        c.env.changesNothing();
        return c.json(await operations.preview(owner, parsed.data), 200);
      }
      const operation = await operations.create(owner, parsed.data, {
        storeResponse: c.env.storeEarlyResponse,
        trail: c.env.trail,
      });
      return c.json(operation, 202, operationHeaders(operation));
    }),

    handle(api.listOperations, async (c) => {
      const { cursor, limit } = c.req.valid("query");
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      // One more than requested shows whether there is a next page.
      const rows = await operations.list(toOperationViewer(c.env), before, limit + 1);
      const items = rows.slice(0, limit);
      const last = rows.length > limit ? items.at(-1) : undefined;
      return c.json({ items, next: last ? encodeCursor(last.id) : null }, 200);
    }),

    handle(api.getOperation, async (c) =>
      c.json(await requireOperation(c.env, c.req.valid("param").id), 200),
    ),

    handle(api.stopOperation, async (c) => {
      const { id } = c.req.valid("param");
      await operations.stop(toOperationViewer(c.env), id, c.env.trail);
      const operation = await requireOperation(c.env, id);
      if (operation.status === "done" || operation.status === "failed") {
        throw new ProblemError("operation-ended", `The operation is ${operation.status}.`);
      }
      return c.json(operation, 202);
    }),
  ];
}

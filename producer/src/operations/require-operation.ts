import type { Operation } from "@toril/contract/api/operation";
import { operationViewerOf } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { OperationLedger } from "./operation-ledger.ts";
import { ProblemError } from "../http/problem.ts";

/** The operation that a request is about. Throws a problem when the caller has none such, or may not see its jobs. */
export async function requireOperation(
  operations: Pick<OperationLedger, "find">,
  exchange: RequestContext,
  id: string,
): Promise<Operation> {
  const found = await operations.find(operationViewerOf(exchange), id);
  if (found === undefined) throw new ProblemError("operation-not-found");
  if (found === "hidden") {
    throw new ProblemError("forbidden-resource", "It is about jobs of other queues or types.");
  }
  return found;
}

import type { Operation } from "@toril/contract/api/operation";
import { operationViewerOf } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { OperationLedger } from "./operation-ledger.ts";
import { ProblemError } from "../http/problem.ts";

/** Returns the operation that a request names. Throws a problem if it does not exist or is not permitted. */
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

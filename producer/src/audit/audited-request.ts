import { getRequiredScope } from "@toril/contract/api/http/route";
import type { AuditedRequest } from "./audit.ts";
import type { RequestContext } from "../http/request-context.ts";
import { type Operation, operations } from "../operations/operations.ts";

const audited: ReadonlySet<Operation> = new Set(
  operations.filter((operation) => {
    const scope = getRequiredScope(operation);
    return operation.method !== "get" && (scope === "keys:admin" || scope === "queues:admin");
  }),
);

/** Whether the operation changes something and requires an admin scope. */
export function isAudited(operation: Operation): boolean {
  return audited.has(operation);
}

export function auditedRequest(exchange: RequestContext, operation: Operation): AuditedRequest {
  const { principal, path, requestId } = exchange;
  return {
    actor: principal.kind === "open" ? "anyone" : `${principal.kind}:${principal.id}`,
    tenant: principal.tenant,
    action: operation.operationId,
    target: path,
    address: exchange.address(),
    requestId,
  };
}

import type { Restrictions } from "@toril/contract/engine/jobs/change/select";
import type { Origin } from "@toril/contract/engine/jobs/enqueue/new-job";
import { isPermitted } from "../auth/principal.ts";
import type { RequestContext } from "./request-context.ts";
import { ProblemError } from "./problem.ts";

const traceParent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Returns the origin to record with the jobs of a request: tenant, quota key and trace. */
export function getOrigin({
  request,
  traceparent,
  principal: { id, tenant, quotas },
}: RequestContext): Origin {
  const trace = traceparent ?? request.headers.get("traceparent");
  return {
    tenant,
    quotaKey: (quotas?.maxWaiting ?? quotas?.rate) === undefined ? undefined : id,
    trace: trace && traceParent.test(trace) ? trace : undefined,
  };
}

/** The owner of an operation, and the jobs the operation may touch. */
export interface OperationOwner {
  tenant: string;
  restrictions: Restrictions;
  /** Id of the key, if the key has quotas. */
  quotaKey: string | undefined;
}

export function toOperationOwner(context: RequestContext): OperationOwner {
  const { id, tenant, quotas } = context.principal;
  return {
    tenant,
    restrictions: getRestrictions(context),
    quotaKey: quotas === null ? undefined : id,
  };
}

/** The tenant whose operations are read, and the job types that the caller may not see. */
export interface OperationViewer {
  tenant: string;
  hidden: readonly { type: string; queue: string }[];
}

export function toOperationViewer({ principal, jobTypes }: RequestContext): OperationViewer {
  const hidden = jobTypes.types.filter((jobType) => !isPermitted(principal, jobType));
  return { tenant: principal.tenant, hidden: hidden.map(({ type, queue }) => ({ type, queue })) };
}

/** Throws `forbidden-resource` if the caller's key does not permit this queue and type. */
export function requirePermitted(
  { principal }: RequestContext,
  work: { queue: string; type: string },
): void {
  if (isPermitted(principal, work)) return;
  throw new ProblemError(
    "forbidden-resource",
    `The key does not permit jobs of type ${work.type} in the queue ${work.queue}.`,
  );
}

/** Returns the queues and types that lists are restricted to; undefined means unrestricted. */
export function getRestrictions({ principal: { queues, types } }: RequestContext) {
  return { queues: queues ? [...queues] : undefined, types: types ? [...types] : undefined };
}

import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { type Principal, isPermitted } from "../auth/principal.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";

/** Returns the queues whose job types the caller may all access. */
export function visibleQueues({ principal, jobTypes }: RequestContext): string[] {
  return jobTypes.queues.filter((queue) => reachesAll(principal, jobTypes, queue));
}

/** Throws a problem if the queue does not exist, or the caller may not access all of its job types. */
export function requireQueue({ principal, jobTypes }: RequestContext, queue: string): void {
  if (!jobTypes.queues.includes(queue)) throw new ProblemError("queue-not-found");
  if (!reachesAll(principal, jobTypes, queue)) {
    throw new ProblemError(
      "forbidden-resource",
      `The key does not permit all job types of the queue ${queue}.`,
    );
  }
}

function reachesAll(principal: Principal, jobTypes: JobTypeRegistry, queue: string) {
  return jobTypes.getTypes(queue).every((type) => isPermitted(principal, { queue, type }));
}

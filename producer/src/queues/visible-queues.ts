import { queueNames, typesIn } from "@toril/contract/api/job-types/index";
import { type Principal, isPermitted } from "../auth/principal.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";

/** Returns the queues whose job types the caller may all access. */
export function visibleQueues({ principal }: RequestContext): string[] {
  return queueNames.filter((queue) => reachesAll(principal, queue));
}

/** Throws a problem if the queue does not exist, or the caller may not access all of its job types. */
export function requireQueue({ principal }: RequestContext, queue: string): void {
  if (!queueNames.includes(queue)) throw new ProblemError("queue-not-found");
  if (!reachesAll(principal, queue)) {
    throw new ProblemError(
      "forbidden-resource",
      `The key does not permit all job types of the queue ${queue}.`,
    );
  }
}

function reachesAll(principal: Principal, queue: string) {
  return typesIn(queue).every((type) => isPermitted(principal, { queue, type }));
}

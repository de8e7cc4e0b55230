import type { AcceptedJob, Job } from "@toril/contract/api/job";
import type { RequestContext } from "../http/request-context.ts";
import type { WaitForEnd } from "../events/wait-for-end.ts";
import type { ReadJob } from "./read-job.ts";

/** Undefined when nobody waited; without a job when it has not ended in time. */
export type AwaitJob = (
  exchange: RequestContext,
  accepted: AcceptedJob,
) => Promise<{ headers: Record<string, string>; job: Job | undefined } | undefined>;

export function createAwaitJob(waitForEnd: WaitForEnd, readJob: ReadJob): AwaitJob {
  return async (exchange, { id, queue }) => {
    const { scopes, tenant } = exchange.principal;
    // The answer would tell what only readers may know.
    if (!scopes.has("jobs:read")) return undefined;
    // As it stood when it was accepted, were this a replay.
    const waited = await waitForEnd(exchange, { id, queue, status: "pending" });
    if (waited === undefined) return undefined;
    const { isGone, headers } = waited;
    const job = isGone ? undefined : await readJob(tenant, id).catch(() => undefined);
    return { headers, job: job?.status === "pending" ? undefined : job };
  };
}

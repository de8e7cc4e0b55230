import type { AcceptedJob, Job } from "@toril/contract/api/job";
import type { RequestContext } from "../http/request-context.ts";
import type { WaitForEnd } from "../events/wait-for-end.ts";
import type { ReadJob } from "./read-job.ts";

/** Returns undefined if the client did not ask to wait; `job` is undefined on timeout. */
export type AwaitJob = (
  context: RequestContext,
  accepted: AcceptedJob,
) => Promise<{ headers: Record<string, string>; job: Job | undefined } | undefined>;

export function createAwaitJob(waitForEnd: WaitForEnd, readJob: ReadJob): AwaitJob {
  return async (context, { id, queue }) => {
    const { scopes, tenant } = context.principal;
    // The result may be shown only to callers with `jobs:read`.
    if (!scopes.has("jobs:read")) return undefined;
    // A replayed response has the status of its first time, so the wait cannot rely on it.
    const waited = await waitForEnd(context, { id, queue, status: "pending" });
    if (waited === undefined) return undefined;
    const { isGone, headers } = waited;
    const job = isGone ? undefined : await readJob(tenant, id).catch(() => undefined);
    return { headers, job: job?.status === "pending" ? undefined : job };
  };
}

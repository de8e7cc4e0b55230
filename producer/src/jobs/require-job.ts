import { requirePermitted } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import type { JobDetailRow, JobReader } from "./read-jobs.ts";

/** Returns the job that a request names. Throws a problem if it does not exist or is not permitted. */
export async function requireJob(
  jobs: Pick<JobReader, "find" | "getMissingReason">,
  context: RequestContext,
  id: string,
): Promise<JobDetailRow> {
  const { tenant } = context.principal;
  const row = await jobs.find(tenant, id);
  if (row === undefined) throw new ProblemError(await jobs.getMissingReason(tenant, id));
  requirePermitted(context, row);
  return row;
}

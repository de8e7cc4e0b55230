import type { Job } from "@toril/contract/api/job";
import type { LiveJobs } from "./live-jobs.ts";
import type { JobReader } from "./read-jobs.ts";

/** Reads a job as clients see it. */
export type ReadJob = (tenant: string, id: string) => Promise<Job | undefined>;

export function createReadJob(jobs: JobReader, live: LiveJobs): ReadJob {
  return async (tenant, id) => {
    const row = await jobs.find(tenant, id);
    if (row === undefined) return undefined;
    const [job] = await live.toJobs([row]);
    return job;
  };
}

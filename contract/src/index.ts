/** The public part of the contract: job types, the registry, and the schemas of responses. Depends on zod alone. */

export { ApiKey } from "./api/access/api-key.ts";
export { DeadLetter } from "./api/jobs/dead-letter.ts";
export { JobEvent } from "./api/jobs/event.ts";
export { Import } from "./api/import.ts";
export { secret } from "./api/job-data/secret-fields.ts";
export { Backoff, JobChanges, JobOptions, KeyPolicy } from "./api/jobs/job-options.ts";
export type { JobRequest, JobTemplate } from "./api/jobs/job-request.ts";
export { JobState, JobStatus } from "./api/jobs/job-states.ts";
export {
  applyDefaults,
  type JobData,
  defineJob,
  type ImportedRow,
  type JobType,
  type JobTypeDefaults,
  type JobTypeDefinition,
  type JobTypes,
  type KeyRate,
  type JobResult,
  type SandboxLimits,
  type WorkerKind,
} from "./api/job-type.ts";
export { AcceptedJob } from "./api/jobs/accepted-job.ts";
export { Job, JobDetail, JobError } from "./api/jobs/job.ts";
export { Operation } from "./api/operation.ts";
export { Problem } from "./api/problem.ts";
export { Queue } from "./api/queue.ts";
export { createRegistry, type JobTypeRegistry } from "./api/registry.ts";
export { Schedule } from "./api/schedule.ts";

import { type AcceptedJob, type JobOptions, type JobStatus, limits } from "../job.ts";
import { findJobType, type JobRequest, type JobTypeName } from "../jobs/index.ts";
import { createJobId } from "./job-id.ts";

/** A job that was validated and has its id, but stands nowhere yet. */
export interface NewJob {
  id: string;
  tenant: string;
  queue: string;
  type: JobTypeName;
  key: string | null;
  /** JSON text. */
  data: string;
  options: JobOptions;
  runAt: Date | null;
  importId: string | null;
  /** The key whose waiting jobs are counted, of which this is one. */
  quotaKey: string | null;
  trace: string | null;
}

export interface Origin {
  tenant: string;
  importId?: string | undefined;
  quotaKey?: string | undefined;
  trace?: string | undefined;
}

/** @param request parsed by `JobRequest` */
export function createNewJob(request: JobRequest, origin: Origin): NewJob {
  const jobType = findJobType(request.type);
  if (jobType === undefined) throw new Error(`no job type ${request.type}`);
  return {
    id: createJobId(),
    tenant: origin.tenant,
    queue: jobType.queue,
    type: request.type,
    key: request.key ?? jobType.key?.(request.data) ?? null,
    data: JSON.stringify(request.data),
    options:
      request.attempts === undefined
        ? jobType.options
        : { ...jobType.options, attempts: request.attempts },
    runAt: request.delayMs ? new Date(Date.now() + request.delayMs) : null,
    importId: origin.importId ?? null,
    quotaKey: origin.quotaKey ?? null,
    trace: origin.trace ?? null,
  };
}

export function isDataTooLarge(job: NewJob): boolean {
  const atMost = job.data.length * 3;
  return atMost > limits.dataBytes && new TextEncoder().encode(job.data).length > limits.dataBytes;
}

/** A job as it stands in the ledger, as far as an accepting answer tells. */
export interface StandingJob {
  id: string;
  type: string;
  queue: string;
  key: string | null;
  status: JobStatus;
  /** ISO 8601, as answers tell it. */
  createdAt: string;
  runAt: Date | null;
}

export function toAcceptedJob(job: StandingJob, outcome: AcceptedJob["outcome"]): AcceptedJob {
  return {
    id: job.id,
    type: job.type,
    queue: job.queue,
    status: job.status,
    outcome,
    key: job.key,
    createdAt: job.createdAt,
    runAt: job.runAt?.toISOString() ?? null,
  };
}

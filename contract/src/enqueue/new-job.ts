import { type AcceptedJob, type JobOptions, type JobStatus, limits } from "../job.ts";
import { findJobType, type JobRequest, type JobTypeName } from "../jobs/index.ts";
import type { FieldError } from "../json.ts";
import type { ProblemKind } from "../problem.ts";
import type { KeyRing } from "../secret/key-ring.ts";
import { createJobId } from "./job-id.ts";
import { protectJob } from "./protect-job.ts";

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

export type MadeJob =
  | { status: "ok"; job: NewJob }
  | { status: "refused"; kind: ProblemKind; detail?: string; errors?: FieldError[] };

/**
 * @param request parsed by `JobRequest`
 * @param keys for the secrets in its data
 */
export function createNewJob(
  request: JobRequest,
  origin: Origin,
  keys: KeyRing | undefined,
): MadeJob {
  const jobType = findJobType(request.type);
  if (jobType === undefined) throw new Error(`no job type ${request.type}`);
  const text = JSON.stringify(request.data);
  if (isTooLarge(text)) {
    const detail = `At most ${limits.dataBytes} bytes of data.`;
    return { status: "refused", kind: "data-too-large", detail };
  }
  const job: NewJob = {
    id: createJobId(),
    tenant: origin.tenant,
    queue: jobType.queue,
    type: request.type,
    key: request.key ?? jobType.key?.(request.data) ?? null,
    data: text,
    options:
      request.attempts === undefined
        ? jobType.options
        : { ...jobType.options, attempts: request.attempts },
    runAt: request.delayMs ? new Date(Date.now() + request.delayMs) : null,
    importId: origin.importId ?? null,
    quotaKey: origin.quotaKey ?? null,
    trace: origin.trace ?? null,
  };
  return jobType.findSecrets === undefined
    ? { status: "ok", job }
    : protectJob(job, request, jobType.findSecrets, keys);
}

function isTooLarge(text: string): boolean {
  const atMost = text.length * 3;
  return atMost > limits.dataBytes && new TextEncoder().encode(text).length > limits.dataBytes;
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

import type { FailurePolicy } from "../../../api/jobs/graph.ts";
import type { JobStatus } from "../../../api/jobs/job-states.ts";
import type { JobOptions } from "../../../api/jobs/job-options.ts";
import type { AcceptedJob } from "../../../api/jobs/accepted-job.ts";
import { limits } from "../../../api/limits.ts";
import type { JobType } from "../../../api/job-type.ts";
import type { JobRequest } from "../../../api/jobs/job-request.ts";
import type { FieldError } from "../../../api/json/json.ts";
import type { ProblemKind } from "../../../api/problem.ts";
import type { KeyRing } from "../../secrets/key-ring.ts";
import { redactData } from "../../secrets/secret-data.ts";
import type { JobTypeRegistry } from "../../../api/registry.ts";
import { toThrownText } from "../../../api/job-data/parse-safely.ts";
import { toSearchTerms } from "../../../api/job-data/search-terms.ts";
import { createJobId } from "./job-id.ts";
import { findConflicts, getExpiresAt, getRunAt } from "./job-times.ts";
import { protectJob } from "./protect-job.ts";
import { type Callback, type Callbacks, findJobReceiver } from "../../webhooks/callbacks.ts";

/** A validated job with an id that is not recorded yet. */
export interface NewJob {
  id: string;
  tenant: string;
  queue: string;
  type: string;
  key: string | null;
  /** JSON text. */
  data: string;
  options: JobOptions;
  runAt: Date | null;
  expiresAt: Date | null;
  labels: readonly string[] | null;
  /** Search terms, including the labels. */
  terms: readonly string[] | null;
  /** How long the key stays taken after the job ends. */
  dedupWindowMs: number | null;
  /** Whether the job replaces the pending job with the same key, unless that job is active. */
  replacesWaiting: boolean;
  schedule: string | null;
  importId: string | null;
  parentId: string | null;
  /** What happens to the parent if this job ends without completing; null: nothing, the parent waits for a batch. */
  onFailure: FailurePolicy | null;
  /** Whether the job is dispatched only when its children have ended. */
  waitsForChildren: boolean;
  /** Where the end of the job is reported. */
  callback: Callback | null;
  /** The API key whose quotas count this job and the jobs that it enqueues. */
  quotaKey: string | null;
  trace: string | null;
}

export interface KeyedJob {
  tenant: string;
  type: string;
  key: string | null;
}

/** Returns the same text for jobs with the same key; keys are scoped to tenant and job type. */
export function keyIdentity({ tenant, type, key }: KeyedJob): string {
  return JSON.stringify([tenant, type, key]);
}

export interface Origin {
  tenant: string;
  /** A deterministic id, for jobs that must not be created twice; random if undefined. */
  id?: string | undefined;
  importId?: string | undefined;
  schedule?: string | undefined;
  /** The job that waits for these jobs, whether they complete or not. */
  parentId?: string | undefined;
  quotaKey?: string | undefined;
  trace?: string | undefined;
  /** Undefined: jobs may have no callback URL. */
  callbacks?: Callbacks | undefined;
}

export type NewJobResult =
  | { status: "ok"; job: NewJob }
  | { status: "refused"; kind: ProblemKind; detail?: string; errors?: FieldError[] };

/**
 * Validates a request beyond its schema and builds the job.
 * @param request parsed by the `JobRequest` schema of `jobTypes`
 * @param keys encrypt secrets in the data
 */
export function createNewJob(
  jobTypes: Pick<JobTypeRegistry, "find">,
  request: JobRequest,
  origin: Origin,
  keys: KeyRing | undefined,
): NewJobResult {
  const jobType = jobTypes.find(request.type);
  if (jobType === undefined) throw new Error(`no job type ${request.type}`);
  const text = toText(request.data);
  if (text === undefined) {
    const errors = [{ pointer: "/data", detail: "The parsed data has no JSON form." }];
    return { status: "refused", kind: "invalid-job", errors };
  }
  if (isTooLarge(text)) {
    const detail = `At most ${limits.dataBytes} bytes of data.`;
    return { status: "refused", kind: "data-too-large", detail };
  }
  const errors = findConflicts(request, jobType);
  if (errors.length > 0) return { status: "refused", kind: "invalid-job", errors };
  const callback = getCallback(request, jobType, origin.callbacks);
  if (callback === "not-permitted") {
    const detail = "No webhook with the event `callback` permits this URL for this job.";
    const errors = [{ pointer: "/callbackUrl", detail }];
    return { status: "refused", kind: "invalid-job", errors };
  }
  const runAt = getRunAt(request);
  const { data } = request;
  const policy = request.keyPolicy ?? jobType.keyPolicy;
  let key: string | null;
  try {
    key = request.key ?? (jobType.key?.(data) || null);
  } catch (thrown) {
    const detail = `The key cannot be derived from the data: ${toThrownText(thrown)}`;
    return { status: "refused", kind: "invalid-job", errors: [{ pointer: "/key", detail }] };
  }
  if (key !== null && key.length > limits.keyLength) {
    const detail = `The key, which is derived from the data, has more than ${limits.keyLength} characters.`;
    return { status: "refused", kind: "invalid-job", errors: [{ pointer: "/key", detail }] };
  }
  const job: NewJob = {
    id: origin.id ?? createJobId(),
    tenant: origin.tenant,
    queue: jobType.queue,
    type: request.type,
    key,
    data: text,
    options: getOptions(request, jobType.options),
    runAt,
    expiresAt: getExpiresAt(request, jobType.expiresInMs, runAt),
    labels: request.labels ?? null,
    terms: toSearchTerms(jobType, findable(jobType, data), {
      labels: request.labels,
      schedule: origin.schedule,
    }),
    dedupWindowMs: policy?.type === "once" ? policy.windowMs : null,
    replacesWaiting: policy?.type === "replace",
    schedule: origin.schedule ?? null,
    importId: origin.importId ?? null,
    parentId: origin.parentId ?? null,
    onFailure: null,
    waitsForChildren: false,
    callback,
    quotaKey: origin.quotaKey ?? null,
    trace: origin.trace ?? null,
  };
  return jobType.findSecrets === undefined
    ? { status: "ok", job }
    : protectJob(job, request, jobType.findSecrets, keys);
}

/** Returns the type's own object if the request sets no options, so that equal options are compared by reference. */
function getOptions(request: JobRequest, ofType: JobOptions): JobOptions {
  const { attempts, backoff, priority, order, timeoutMs } = request;
  if ((attempts ?? backoff ?? priority ?? order ?? timeoutMs) === undefined) return ofType;
  const { priority: typePriority, order: typeOrder, ...rest } = ofType;
  const options: JobOptions = { ...rest };
  if (attempts !== undefined) options.attempts = attempts;
  if (backoff !== undefined) options.backoff = backoff;
  if (timeoutMs !== undefined) options.timeoutMs = timeoutMs;
  // `priority` and `order` are mutually exclusive: either one in the request replaces both of the type.
  if (priority !== undefined) options.priority = priority;
  else if (order === "lifo") options.order = order;
  else if (order === undefined && typePriority !== undefined) options.priority = typePriority;
  else if (order === undefined && typeOrder !== undefined) options.order = typeOrder;
  return options;
}

function getCallback(
  { callbackUrl, labels }: JobRequest,
  { type, queue }: JobType,
  callbacks: Callbacks | undefined,
): Callback | null | "not-permitted" {
  const url = callbackUrl ?? callbacks?.url;
  if (url === undefined) return null;
  const receiver = callbacks && findJobReceiver(callbacks, url, { type, queue, labels });
  if (receiver !== undefined) return { url, webhook: receiver.id };
  return callbacks?.isOptional ? null : "not-permitted";
}

/** Redacts the data, so that no secret becomes a search term. */
function findable({ searchable, findSecrets }: JobType, data: unknown): unknown {
  return searchable && findSecrets ? redactData(data, findSecrets) : data;
}

/** Returns undefined for a value that a schema has parsed to something without a JSON form, such as a bigint. */
function toText(data: unknown): string | undefined {
  try {
    return JSON.stringify(data);
  } catch {
    return undefined;
  }
}

function isTooLarge(text: string): boolean {
  const atMost = text.length * 3;
  return atMost > limits.dataBytes && new TextEncoder().encode(text).length > limits.dataBytes;
}

/** The fields of a recorded job that an enqueue response contains. */
export interface ExistingJob {
  id: string;
  type: string;
  queue: string;
  key: string | null;
  status: JobStatus;
  /** ISO 8601, as in responses. */
  createdAt: string;
  runAt: Date | null;
}

/**
 * Builds the enqueue response of a job.
 * @param replaced the id of the job that this job replaced
 */
export function toAcceptedJob(
  job: ExistingJob,
  outcome: AcceptedJob["outcome"],
  replaced?: string,
): AcceptedJob {
  const accepted: AcceptedJob = {
    id: job.id,
    type: job.type,
    queue: job.queue,
    status: job.status,
    outcome,
    key: job.key,
    createdAt: job.createdAt,
    runAt: job.runAt?.toISOString() ?? null,
  };
  if (replaced !== undefined) accepted.replaced = replaced;
  return accepted;
}

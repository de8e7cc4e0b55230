import type { Backoff, JobOptions } from "../../api/job.ts";

/** How BullMQ is to do a placed job. */
export interface DispatchOptions {
  /** Runs in all. */
  attempts: number;
  /** BullMQ does not know `max`; Toril's workers obey it. */
  backoff?: Backoff;
  delayMs?: number;
  /** 1 first; jobs without one before all. */
  priority?: number;
  lifo?: boolean;
  /** What a run may take; for Toril's workers. */
  timeoutMs?: number;
  /** In ms since 1970; for Toril's workers. */
  expiresAt?: number;
  /** When the job was made, in ms since 1970; a delay counts from here. */
  timestamp: number;
  /** The mark of a job that the reconciler placed: a worker asks the ledger before it runs it. */
  replaced?: boolean;
  /** For the log of whoever runs it; none is the tenant `default`. BullMQ keeps options that it does not know. */
  tenant?: string;
  /** W3C Trace Context; ignored when it is malformed. */
  traceparent?: string;
}

const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What dispatch.lua takes as a job's traceparent. */
export function encodeTraceparent({ traceparent }: DispatchOptions): string {
  return traceparent !== undefined && traceparentPattern.test(traceparent) ? traceparent : "";
}

/** BullMQ's encoding of what many jobs have in common. */
export function encodeOptions(options: DispatchOptions): string {
  const { attempts, backoff, delayMs, priority, lifo, replaced, tenant } = options;
  const { timeoutMs, expiresAt } = options;
  return JSON.stringify({
    attempts,
    backoff,
    delay: delayMs,
    priority,
    lifo,
    replaced,
    tenant,
    timeoutMs,
    expiresAt,
  });
}

/** Whether `encodeOptions` makes the same of both. */
export function haveSameEncoding(one: DispatchOptions, other: DispatchOptions): boolean {
  return (
    one.attempts === other.attempts &&
    one.delayMs === other.delayMs &&
    one.priority === other.priority &&
    one.lifo === other.lifo &&
    one.replaced === other.replaced &&
    one.tenant === other.tenant &&
    one.timeoutMs === other.timeoutMs &&
    one.expiresAt === other.expiresAt &&
    (one.backoff === other.backoff ||
      (one.backoff?.type === other.backoff?.type &&
        one.backoff?.delay === other.backoff?.delay &&
        one.backoff?.jitter === other.backoff?.jitter &&
        one.backoff?.max === other.backoff?.max))
  );
}

/** A job of the ledger as BullMQ is to do it, but for what only a traced or a replaced one has. */
export function toDispatchOptions(
  job: { options: JobOptions; runAt: Date | null; expiresAt: Date | null; tenant: string },
  timestamp: number,
): DispatchOptions {
  const { attempts, backoff, priority, order, timeoutMs } = job.options;
  const options: DispatchOptions = { attempts, backoff, timestamp };
  if (priority !== undefined) options.priority = priority;
  if (order === "lifo") options.lifo = true;
  if (timeoutMs !== undefined) options.timeoutMs = timeoutMs;
  if (job.expiresAt !== null) options.expiresAt = job.expiresAt.getTime();
  if (job.runAt !== null) options.delayMs = Math.max(0, job.runAt.getTime() - timestamp);
  if (job.tenant !== "default") options.tenant = job.tenant;
  return options;
}

/** Whether a BullMQ job with these options was placed by the reconciler. */
export function isReplaced(options: object): boolean {
  return "replaced" in options && options.replaced === true;
}

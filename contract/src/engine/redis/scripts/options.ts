import type { Backoff, JobOptions } from "../../../api/jobs/job-options.ts";

/** BullMQ options of a dispatched job. */
export interface DispatchOptions {
  /** Maximum number of attempts. */
  attempts: number;
  /** BullMQ ignores `max`; Toril's workers apply it. */
  backoff?: Backoff;
  delayMs?: number;
  /** 1 is the highest priority; jobs without a priority run before all prioritized jobs. */
  priority?: number;
  lifo?: boolean;
  /** Timeout of an attempt; for Toril's workers. */
  timeoutMs?: number;
  /** Ms since 1970; for Toril's workers. */
  expiresAt?: number;
  /** From when the job waits, ms since 1970; a delay counts from here. */
  timestamp: number;
  /** Marks a job that the reconciler dispatched: the worker checks the ledger before it runs the job. */
  recovered?: boolean;
  /** For the consumer's log; undefined is the tenant `default`. BullMQ preserves unknown options. */
  tenant?: string;
  /** W3C Trace Context; ignored if malformed. */
  traceparent?: string;
}

const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Returns the traceparent argument of dispatch.lua; empty if missing or malformed. */
export function encodeTraceparent({ traceparent }: DispatchOptions): string {
  return traceparent !== undefined && traceparentPattern.test(traceparent) ? traceparent : "";
}

/** Encodes, as BullMQ does, the options that a group of jobs shares. */
export function encodeOptions(options: DispatchOptions): string {
  const { attempts, backoff, delayMs, priority, lifo, recovered, tenant } = options;
  const { timeoutMs, expiresAt } = options;
  return JSON.stringify({
    attempts,
    backoff,
    delay: delayMs,
    priority,
    lifo,
    recovered,
    tenant,
    timeoutMs,
    expiresAt,
  });
}

/** Whether `encodeOptions` encodes both equally, without encoding them. */
export function haveSameEncoding(one: DispatchOptions, other: DispatchOptions): boolean {
  if (one === other) return true;
  return (
    one.attempts === other.attempts &&
    one.delayMs === other.delayMs &&
    one.priority === other.priority &&
    one.lifo === other.lifo &&
    one.recovered === other.recovered &&
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

/** Converts a recorded job to BullMQ options, without `traceparent` and `recovered`. */
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

/** Whether the reconciler dispatched a BullMQ job with these options. */
export function isRecovered(options: object): boolean {
  return "recovered" in options && options.recovered === true;
}

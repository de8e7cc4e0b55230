import type { Quotas } from "../quota.ts";
import { type Bucket, createBucket } from "./bucket.ts";
import type { Flow, Lease } from "./lease.ts";
import { rateLimitOf, rateLimitPolicyOf } from "./rate-limit-fields.ts";
import { createWaitingCap } from "./waiting-cap.ts";

/** Undefined when it is granted. */
export type Refusal = { detail: string; waitMs: number } | undefined;

export interface Drawn {
  /** How many jobs may be made now; their places are to be released when they are recorded. */
  granted: number;
  /** Why it is not all of them. */
  refusal: Refusal;
}

/** What one key may use, as this process knows it. */
export interface KeyQuota {
  readonly quotas: Quotas;
  /** How many jobs may be asked for at once; more is always refused. */
  readonly maxJobs: number;
  takeJobs(count: number): Promise<Refusal>;
  takeBytes(count: number): Promise<Refusal>;
  /** Places for waiting jobs, to be given back when the jobs are recorded or refused. */
  reserve(count: number): Promise<Refusal>;
  release(count: number): void;
  /** For work that nobody waits for: as many of `count` jobs as the quota has left. */
  draw(count: number): Promise<Drawn>;
  /**
   * For jobs that follow from one that was let in: all of `count` when the quota has anything left, and what exceeds it is
   * owed. They count among those that have not ended once they are recorded.
   */
  owe(count: number): Promise<Refusal>;
  left(): RateLimit;
}

/** The values of an answer's fields RateLimit-Policy and RateLimit. */
export interface RateLimit {
  policy: string;
  limit: string;
}

export interface KeyQuotaDeps {
  id: string;
  /** What the names of this key's buckets begin with. */
  bucketPrefix: string;
  lease: Lease;
  /** How many of a key's jobs have not ended, counted up to the limit. */
  countWaiting(quotaKey: string, limit: number): Promise<number>;
  now(): number;
}

/** How soon it is worth asking again for a place among the waiting jobs. */
const waitingRetryMs = 250;
/** How often a draw tries fewer. */
const maxRefusals = 4;

export function createKeyQuota(quotas: Quotas, deps: KeyQuotaDeps): KeyQuota {
  const { rate, burst = rate, maxWaiting, bytes } = quotas;
  const { id, lease, now } = deps;
  const jobFlow = rate === undefined ? undefined : { rate, size: burst ?? rate };
  const byteFlow = bytes === undefined ? undefined : { rate: bytes, size: bytes };
  const jobs = open("jobs", jobFlow);
  const content = open("bytes", byteFlow);
  const waiting =
    maxWaiting === undefined
      ? undefined
      : createWaitingCap({
          max: maxWaiting,
          count: (limit) => deps.countWaiting(id, limit),
          now,
        });
  const policy = rateLimitPolicyOf({ jobs: jobFlow, bytes: byteFlow, maxWaiting });

  function open(unit: string, flow: Flow | undefined): Bucket | undefined {
    return flow && createBucket({ ...flow, bucket: `${deps.bucketPrefix}${unit}`, lease, now });
  }

  async function takeJobs(count: number): Promise<Refusal> {
    if (jobs === undefined || jobFlow === undefined) return undefined;
    const detail = rateDetail(jobFlow);
    if (count > jobFlow.size) return { detail, waitMs: (jobFlow.size / jobFlow.rate) * 1000 };
    const taken = await jobs.take(count);
    return taken.status === "taken" ? undefined : { detail, waitMs: taken.waitMs };
  }

  async function reserve(count: number): Promise<Refusal> {
    if (waiting === undefined || (await waiting.reserve(count))) return undefined;
    const detail = `The key may have ${maxWaiting} jobs that have not ended.`;
    return { detail, waitMs: waitingRetryMs };
  }

  /** Places first: they can be given back, tokens cannot. */
  async function admit(count: number): Promise<Refusal> {
    const full = await reserve(count);
    if (full !== undefined) return full;
    const late = await takeJobs(count);
    if (late !== undefined) waiting?.release(count);
    return late;
  }

  return {
    quotas,
    maxJobs: Math.min(jobFlow?.size ?? Infinity, maxWaiting ?? Infinity),
    takeJobs,
    async takeBytes(count) {
      const taken = await content?.take(count);
      if (taken?.status !== "refused") return undefined;
      return { detail: `The key may send ${bytes} bytes a second.`, waitMs: taken.waitMs };
    },
    reserve,
    release(count) {
      waiting?.release(count);
    },
    async draw(count) {
      let granted = 0;
      for (let refusals = 0; granted < count;) {
        const left = Math.min(jobs?.left ?? Infinity, waiting?.left ?? Infinity);
        const part = Math.max(1, Math.min(count - granted, Math.floor(left)));
        const refusal = await admit(part);
        if (refusal === undefined) granted += part;
        // What is left is known better now.
        else if (part === 1 || ++refusals === maxRefusals) return { granted, refusal };
      }
      return { granted, refusal: undefined };
    },
    async owe(count) {
      const full = await reserve(1);
      if (full !== undefined) return full;
      waiting?.release(1);
      if (jobs === undefined || jobFlow === undefined) return undefined;
      const taken = await jobs.take(count, 1);
      return taken.status === "taken"
        ? undefined
        : { detail: rateDetail(jobFlow), waitMs: taken.waitMs };
    },
    left: () => ({
      policy,
      limit: rateLimitOf({
        jobs: jobs && jobFlow && { ...jobFlow, left: jobs.left },
        bytes: content && byteFlow && { ...byteFlow, left: content.left },
        waiting: waiting?.left,
      }),
    }),
  };
}

function rateDetail({ rate, size }: Flow) {
  return `The key may hand over ${rate} jobs a second, and ${size} at once.`;
}

import type { Quotas } from "@toril/contract/quota";
import { type Bucket, createBucket } from "./bucket.ts";
import type { Flow, Lease } from "./lease.ts";
import { rateLimitOf, rateLimitPolicyOf } from "./rate-limit-fields.ts";
import { createWaitingCap } from "./waiting-cap.ts";

/** Undefined when it is granted. */
export type Refusal = { detail: string; waitMs: number } | undefined;

/** What one key may use, as this producer knows it. */
export interface KeyQuota {
  readonly quotas: Quotas;
  /** How many jobs may be asked for at once; more is always refused. */
  readonly maxJobs: number;
  takeJobs(count: number): Promise<Refusal>;
  takeBytes(count: number): Promise<Refusal>;
  /** Places for waiting jobs, to be given back when the jobs are recorded or refused. */
  reserve(count: number): Promise<Refusal>;
  release(count: number): void;
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

  return {
    quotas,
    maxJobs: Math.min(jobFlow?.size ?? Infinity, maxWaiting ?? Infinity),
    async takeJobs(count) {
      if (jobs === undefined || jobFlow === undefined) return undefined;
      const detail = `The key may hand over ${jobFlow.rate} jobs a second, and ${jobFlow.size} at once.`;
      if (count > jobFlow.size) return { detail, waitMs: (jobFlow.size / jobFlow.rate) * 1000 };
      const taken = await jobs.take(count);
      return taken.status === "taken" ? undefined : { detail, waitMs: taken.waitMs };
    },
    async takeBytes(count) {
      const taken = await content?.take(count);
      if (taken?.status !== "refused") return undefined;
      return { detail: `The key may send ${bytes} bytes a second.`, waitMs: taken.waitMs };
    },
    async reserve(count) {
      if (waiting === undefined || (await waiting.reserve(count))) return undefined;
      const detail = `The key may have ${maxWaiting} jobs that have not ended.`;
      return { detail, waitMs: waitingRetryMs };
    },
    release(count) {
      waiting?.release(count);
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

import type { Quotas, QuotaUse } from "../../api/access/quota.ts";
import { type Bucket, createBucket } from "./bucket.ts";
import type { Flow, Lease } from "./lease.ts";
import { toRateLimit, toRateLimitPolicy } from "./rate-limit-fields.ts";
import { createWaitingCap, type WaitingCap } from "./waiting-cap.ts";

/** Undefined if the request was granted. */
export type Refusal = { detail: string; waitMs: number } | undefined;

export interface Grant {
  /** How many jobs may be enqueued now; release their reservations once the jobs are recorded. */
  granted: number;
  /** Why fewer than all jobs were granted. */
  refusal: Refusal;
}

/** The quota of one API key, as known to this process. */
export interface KeyQuota {
  readonly quotas: Quotas;
  /** Maximum number of jobs in one request. */
  readonly maxJobs: number;
  takeJobs(count: number): Promise<Refusal>;
  takeBytes(count: number): Promise<Refusal>;
  /** Reserves capacity for pending jobs; release it once the jobs are recorded or refused. */
  reserve(count: number): Promise<Refusal>;
  release(count: number): void;
  /** Grants as many of `count` jobs as the quota allows, for background work. */
  reserveUpTo(count: number): Promise<Grant>;
  /**
   * Checks whether an active job of that type may enqueue jobs: requires capacity for one pending job and one token,
   * but takes neither. Jobs of the parent's type are not counted; otherwise active jobs would wait for themselves or
   * each other.
   */
  admitChildren(parentType: string): Promise<Refusal>;
  /** Reserves the jobs that an admitted job enqueues. Never refused; an excess becomes debt. */
  reserveChildren(count: number): Promise<void>;
  left(): RateLimit;
  /** Reads what all processes use. Takes nothing. */
  readUse(): Promise<QuotaUse>;
}

/** Values of the RateLimit-Policy and RateLimit response fields. */
export interface RateLimit {
  policy: string;
  limit: string;
}

export interface KeyQuotaDeps {
  id: string;
  /** Key prefix of this API key's buckets. */
  bucketPrefix: string;
  lease: Lease;
  /** Counts the pending jobs of an API key up to `limit`, without those of `exceptType`. */
  countWaiting(quotaKey: string, limit: number, exceptType?: string): Promise<number>;
  now(): number;
}

/** When to retry for capacity for pending jobs. */
const waitingRetryMs = 250;
/** How many refusals end a draw; each one retries with fewer jobs. */
const maxRefusals = 4;

/** Creates the quota of one API key. */
export function createKeyQuota(quotas: Quotas, deps: KeyQuotaDeps): KeyQuota {
  const { rate, burst = rate, maxWaiting, bytes } = quotas;
  const { id, lease, now } = deps;
  const jobFlow = rate === undefined ? undefined : { rate, size: burst ?? rate };
  const byteFlow = bytes === undefined ? undefined : { rate: bytes, size: bytes };
  const jobs = open("jobs", jobFlow);
  const content = open("bytes", byteFlow);
  const waiting = openCap();
  /** By the parent's type. */
  const childCaps = new Map<string, WaitingCap>();
  const policy = toRateLimitPolicy({ jobs: jobFlow, bytes: byteFlow, maxWaiting });

  function open(unit: string, flow: Flow | undefined): Bucket | undefined {
    return flow && createBucket({ ...flow, bucket: `${deps.bucketPrefix}${unit}`, lease, now });
  }

  function openCap(exceptType?: string): WaitingCap | undefined {
    if (maxWaiting === undefined) return undefined;
    const count = (limit: number) => deps.countWaiting(id, limit, exceptType);
    return createWaitingCap({ max: maxWaiting, count, now });
  }

  function getChildCap(parentType: string) {
    const cap = childCaps.get(parentType) ?? openCap(parentType);
    if (cap !== undefined) childCaps.set(parentType, cap);
    return cap;
  }

  async function readBucket(unit: string, flow: Flow | undefined): Promise<QuotaUse["jobs"]> {
    if (flow === undefined) return null;
    const bucket = `${deps.bucketPrefix}${unit}`;
    const nothing = { minimum: 0, required: 0, wanted: 0 };
    const leased = await lease({ ...flow, bucket, ...nothing });
    return { available: leased?.left ?? null, burst: flow.size, perSecond: flow.rate };
  }

  async function takeJobs(count: number): Promise<Refusal> {
    if (jobs === undefined || jobFlow === undefined) return undefined;
    const detail = rateDetail(jobFlow);
    if (count > jobFlow.size) return { detail, waitMs: (jobFlow.size / jobFlow.rate) * 1000 };
    const taken = await jobs.take(count);
    return taken.status === "taken" ? undefined : { detail, waitMs: taken.waitMs };
  }

  async function reserve(count: number): Promise<Refusal> {
    return waiting === undefined || (await waiting.reserve(count)) ? undefined : toPendingRefusal();
  }

  function toPendingRefusal() {
    const detail = `The key may have at most ${maxWaiting} pending jobs.`;
    return { detail, waitMs: waitingRetryMs };
  }

  /** Reserves capacity first, because a reservation can be released, tokens cannot. */
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
    async reserveUpTo(count) {
      let granted = 0;
      for (let refusals = 0; granted < count;) {
        const left = Math.min(jobs?.left ?? Infinity, waiting?.left ?? Infinity);
        const part = Math.max(1, Math.min(count - granted, Math.floor(left)));
        const refusal = await admit(part);
        if (refusal === undefined) granted += part;
        // The refusal has refreshed the remaining quota.
        else if (part === 1 || ++refusals === maxRefusals) return { granted, refusal };
      }
      return { granted, refusal: undefined };
    },
    async admitChildren(parentType) {
      const cap = getChildCap(parentType);
      if (cap !== undefined && !(await cap.reserve(0, 1))) return toPendingRefusal();
      if (jobs === undefined || jobFlow === undefined) return undefined;
      const taken = await jobs.take(0, 1);
      return taken.status === "taken"
        ? undefined
        : { detail: rateDetail(jobFlow), waitMs: taken.waitMs };
    },
    async reserveChildren(count) {
      waiting?.overdraw(count);
      for (const cap of childCaps.values()) cap.overdraw(count);
      // A number that every Lua version parses, unlike -Infinity.
      await jobs?.take(count, Number.MIN_SAFE_INTEGER);
    },
    async readUse() {
      const [ofJobs, ofBytes, pending] = await Promise.all([
        readBucket("jobs", jobFlow),
        readBucket("bytes", byteFlow),
        maxWaiting === undefined ? 0 : deps.countWaiting(id, maxWaiting),
      ]);
      const ofWaiting = maxWaiting === undefined ? null : { pending, max: maxWaiting };
      return { jobs: ofJobs, bytes: ofBytes, waiting: ofWaiting };
    },
    left: () => ({
      policy,
      limit: toRateLimit({
        jobs: jobs && jobFlow && { ...jobFlow, left: jobs.left },
        bytes: content && byteFlow && { ...byteFlow, left: content.left },
        waiting: waiting?.left,
      }),
    }),
  };
}

function rateDetail({ rate, size }: Flow) {
  return `The key may enqueue ${rate} jobs per second, in bursts of up to ${size}.`;
}

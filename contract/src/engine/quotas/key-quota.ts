import type { Quotas } from "../../api/quota.ts";
import { type Bucket, createBucket } from "./bucket.ts";
import type { Flow, Lease } from "./lease.ts";
import { rateLimitOf, rateLimitPolicyOf } from "./rate-limit-fields.ts";
import { createWaitingCap, type WaitingCap } from "./waiting-cap.ts";

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
   * Whether a running job of that type may enqueue others: needs one free place and one token, and takes neither. Jobs of
   * the parent's type are not counted: running jobs would wait for each other's places, or for their own.
   */
  admitChildren(parentType: string): Promise<Refusal>;
  /** For the jobs that an admitted job enqueues: never refused, what exceeds the rate is owed. */
  owe(count: number): Promise<void>;
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
  /** How many of a key's jobs have not ended, but for those of a type, counted up to the limit. */
  countWaiting(quotaKey: string, limit: number, exceptType?: string): Promise<number>;
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
  const waiting = openCap();
  /** By the types of the parents. */
  const childCaps = new Map<string, WaitingCap>();
  const policy = rateLimitPolicyOf({ jobs: jobFlow, bytes: byteFlow, maxWaiting });

  function open(unit: string, flow: Flow | undefined): Bucket | undefined {
    return flow && createBucket({ ...flow, bucket: `${deps.bucketPrefix}${unit}`, lease, now });
  }

  function openCap(exceptType?: string): WaitingCap | undefined {
    if (maxWaiting === undefined) return undefined;
    const count = (limit: number) => deps.countWaiting(id, limit, exceptType);
    return createWaitingCap({ max: maxWaiting, count, now });
  }

  function childCapOf(parentType: string) {
    const cap = childCaps.get(parentType) ?? openCap(parentType);
    if (cap !== undefined) childCaps.set(parentType, cap);
    return cap;
  }

  async function takeJobs(count: number): Promise<Refusal> {
    if (jobs === undefined || jobFlow === undefined) return undefined;
    const detail = rateDetail(jobFlow);
    if (count > jobFlow.size) return { detail, waitMs: (jobFlow.size / jobFlow.rate) * 1000 };
    const taken = await jobs.take(count);
    return taken.status === "taken" ? undefined : { detail, waitMs: taken.waitMs };
  }

  async function reserve(count: number): Promise<Refusal> {
    return waiting === undefined || (await waiting.reserve(count)) ? undefined : noPlace();
  }

  function noPlace() {
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
    async admitChildren(parentType) {
      const cap = childCapOf(parentType);
      if (cap !== undefined && !(await cap.reserve(0, 1))) return noPlace();
      if (jobs === undefined || jobFlow === undefined) return undefined;
      const asked = await jobs.take(0, 1);
      return asked.status === "taken"
        ? undefined
        : { detail: rateDetail(jobFlow), waitMs: asked.waitMs };
    },
    async owe(count) {
      waiting?.overdraw(count);
      for (const cap of childCaps.values()) cap.overdraw(count);
      // A number that every Lua reads, unlike -Infinity.
      await jobs?.take(count, Number.MIN_SAFE_INTEGER);
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

import { BatchRefused } from "@toril/contract/engine/batcher";
import { createDrainRate } from "@toril/contract/engine/drain-rate";
import type { Principal } from "../auth/principal.ts";

type Caller = Pick<Principal, "kind" | "tenant">;

/** Load shedding: refuses requests that would wait too long behind those in progress. */
export interface Admission {
  /** Returns when to retry, in ms, if a request of this size would wait too long, for any tenant. */
  findRetryMs(bytes: number): number | undefined;
  /** Throws `BatchRefused` if a request of this size would wait too long, or exceed the share of its tenant. */
  refuseIfLate(caller: Caller, bytes: number): void;
  /** Counts `work` as in progress until it settles. */
  track<T>(caller: Caller, bytes: number, work: Promise<T>): Promise<T>;
}

export interface AdmissionSettings {
  /** How long a request may wait behind those in progress; less than the response deadline. */
  maxWaitMs: number;
  /** Requests in progress that are always admitted, enough to keep every part of the service busy. */
  minInProgress: number;
  now(): number;
}

/** Bytes per millisecond, until the first request completes. */
const assumedRate = 1000;
/** Cost of a request in addition to its body, in bytes. */
const overheadBytes = 1000;
/** While nothing completes, requests in progress may become this many times as old as `maxWaitMs`. */
const maxAgeFactor = 3;
const maxRetryMs = 10_000;

/**
 * Admits as many bytes as drain within `maxWaitMs`, half of them for one tenant. Otherwise, at three times the capacity,
 * all requests share the processor and each of them misses its deadline.
 */
export function createAdmission({ maxWaitMs, minInProgress, now }: AdmissionSettings): Admission {
  // In order of arrival.
  const inProgress = new Set<{ startedAt: number }>();
  const bytesByTenant = new Map<string, number>();
  const drainRate = createDrainRate(now);
  let totalBytes = 0;
  /** When all refused requests would be completed, one after the other. */
  let refusedUntil = 0;

  const toDrainMs = (bytes: number) => drainRate.msFor(bytes) ?? bytes / assumedRate;

  /** Returns the age of the requests in progress, except for the newest ones. */
  function getAgeMs(): number {
    let count = 0;
    for (const { startedAt } of inProgress) {
      count += 1;
      if (count === minInProgress) return now() - startedAt;
    }
    return 0;
  }

  /** Gives each refused request a later time, so that the clients do not return all at once. */
  function toRetryMs(bytes: number): number {
    const time = now();
    const until = Math.max(refusedUntil, time) + toDrainMs(bytes);
    refusedUntil = Math.min(until, time + maxRetryMs);
    return Math.max(refusedUntil - time, getAgeMs());
  }

  function add({ tenant }: Caller, bytes: number) {
    totalBytes += bytes;
    const own = (bytesByTenant.get(tenant) ?? 0) + bytes;
    if (own > 0) bytesByTenant.set(tenant, own);
    else bytesByTenant.delete(tenant);
  }

  function findRetryMs(bytes: number): number | undefined {
    if (inProgress.size < minInProgress) return undefined;
    const isLate =
      toDrainMs(totalBytes + bytes) > maxWaitMs || getAgeMs() > maxWaitMs * maxAgeFactor;
    return isLate ? toRetryMs(bytes) : undefined;
  }

  return {
    findRetryMs: (bytes) => findRetryMs(bytes + overheadBytes),
    refuseIfLate({ kind, tenant }, bytes) {
      const cost = bytes + overheadBytes;
      const own = (bytesByTenant.get(tenant) ?? 0) + cost;
      // Without authentication all callers are one tenant, which may use everything.
      const exceedsShare =
        kind !== "open" && inProgress.size >= minInProgress && toDrainMs(own) > maxWaitMs / 2;
      const retryMs = exceedsShare ? toRetryMs(cost) : findRetryMs(cost);
      if (retryMs !== undefined) throw new BatchRefused("full", retryMs);
    },
    async track(caller, bytes, work) {
      const cost = bytes + overheadBytes;
      const entry = { startedAt: now() };
      inProgress.add(entry);
      add(caller, cost);
      try {
        const result = await work;
        drainRate.note(cost, entry.startedAt, now());
        return result;
      } finally {
        inProgress.delete(entry);
        add(caller, -cost);
      }
    },
  };
}

import { BatchRefused } from "@toril/contract/engine/batcher";

/** Load shedding: refuses new requests while requests in progress take too long. */
export interface Admission {
  /** Throws `BatchRefused` while requests in progress take too long. */
  refuseIfLate(): void;
  /** Counts `work` as in progress until it settles. */
  track<T>(work: Promise<T>): Promise<T>;
}

export interface AdmissionSettings {
  /** Age of requests in progress from which others are refused; less than the response deadline. */
  maxAgeMs: number;
  /** How many requests must have that age: a few may be large and legitimately slow. */
  minLate: number;
  now(): number;
}

/**
 * Refuses requests before they cost anything while those in progress take longer than `maxAgeMs`. Otherwise, at three
 * times the capacity, all requests share the processor and every one misses its deadline.
 */
export function createAdmission({ maxAgeMs, minLate, now }: AdmissionSettings): Admission {
  // In order of arrival.
  const inProgress = new Set<{ startedAt: number }>();

  function getLateAge(): number | undefined {
    let count = 0;
    for (const { startedAt } of inProgress) {
      count += 1;
      if (count === minLate) return now() - startedAt;
    }
    return undefined;
  }

  return {
    refuseIfLate() {
      const ageMs = getLateAge();
      // A request accepted now would take about as long.
      if (ageMs !== undefined && ageMs > maxAgeMs) throw new BatchRefused("full", ageMs);
    },
    async track(work) {
      const entry = { startedAt: now() };
      inProgress.add(entry);
      try {
        return await work;
      } finally {
        inProgress.delete(entry);
      }
    },
  };
}

import { BatchRefused } from "@toril/contract/engine/batcher";

/** When no more requests of a kind are let in, because those under way are late already. */
export interface Admission {
  /** Throws `BatchRefused` when those under way take too long. */
  refuseIfLate(): void;
  /** Counts `work` as under way until it ends. */
  track<T>(work: Promise<T>): Promise<T>;
}

export interface AdmissionSettings {
  /** How long requests may be under way before others are refused: less than the deadline of an answer. */
  maxAgeMs: number;
  /** So many must be that old: a few are large, and take their time. */
  minLate: number;
  now(): number;
}

/**
 * Refuses requests before they cost anything, while those that were let in take longer than `maxAgeMs`. Without it, three
 * times as many requests as can be carried out share the processor until each of them is too late.
 */
export function createAdmission({ maxAgeMs, minLate, now }: AdmissionSettings): Admission {
  // In the order in which they began.
  const underWay = new Set<{ beganAt: number }>();

  function ageOfLate(): number | undefined {
    let count = 0;
    for (const { beganAt } of underWay) {
      count += 1;
      if (count === minLate) return now() - beganAt;
    }
    return undefined;
  }

  return {
    refuseIfLate() {
      const ageMs = ageOfLate();
      // What is let in now would take about as long.
      if (ageMs !== undefined && ageMs > maxAgeMs) throw new BatchRefused("full", ageMs);
    },
    async track(work) {
      const one = { beganAt: now() };
      underWay.add(one);
      try {
        return await work;
      } finally {
        underWay.delete(one);
      }
    },
  };
}

/** Upper bounds of the buckets, in milliseconds; the last bucket has none. */
const bounds = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 1_800_000,
];

/** Indexes of all buckets. */
export const bucketIndexes = [...bounds.keys(), bounds.length];

export interface Quantiles {
  p50: number;
  p95: number;
}

/** Returns the index of the bucket that counts a duration. */
export function findBucket(ms: number): number {
  const index = bounds.findIndex((bound) => ms <= bound);
  return index === -1 ? bounds.length : index;
}

/**
 * Estimates quantiles from the counts of the buckets, in milliseconds: exact to the width of a bucket. Undefined without
 * any duration.
 */
export function estimateQuantiles(counts: ReadonlyMap<number, number>): Quantiles | undefined {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  return { p50: estimate(counts, total * 0.5), p95: estimate(counts, total * 0.95) };
}

function estimate(counts: ReadonlyMap<number, number>, rank: number): number {
  let below = 0;
  for (let index = 0; index <= bounds.length; index++) {
    const count = counts.get(index) ?? 0;
    if (count > 0 && below + count >= rank) {
      const lower = bounds[index - 1] ?? 0;
      const upper = bounds[index] ?? lower;
      return Math.round((lower + ((upper - lower) * (rank - below)) / count) * 10) / 10;
    }
    below += count;
  }
  return bounds.at(-1) ?? 0;
}

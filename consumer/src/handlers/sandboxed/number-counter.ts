import type { ColumnStats } from "@toril/contract/api/job-types/import-stats";

/**
 * Computes statistics of a stream of numbers: mean and standard deviation by Welford's method; median and 95th
 * percentile of all numbers or of a random sample of `maxNumbers`. The sample is deterministic.
 */
export function createNumberCounter(maxNumbers: number) {
  let sample = new Float64Array(64);
  let count = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let mean = 0;
  let squares = 0;
  let seed = 1;

  /** Pseudo-random number from 0 to 1 (mulberry32). */
  function random() {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  function keep(value: number) {
    if (count <= maxNumbers) {
      if (count > sample.length) {
        const larger = new Float64Array(Math.min(2 * sample.length, maxNumbers));
        larger.set(sample);
        sample = larger;
      }
      sample[count - 1] = value;
      return;
    }
    const place = Math.floor(random() * count);
    if (place < maxNumbers) sample[place] = value;
  }

  return {
    add(value: number) {
      if (!Number.isFinite(value)) return;
      count += 1;
      min = Math.min(min, value);
      max = Math.max(max, value);
      const distance = value - mean;
      mean += distance / count;
      squares += distance * (value - mean);
      keep(value);
    },
    stats(): ColumnStats["numbers"] {
      if (count === 0) return null;
      const sorted = sample.slice(0, Math.min(count, maxNumbers)).sort();
      return {
        count,
        min,
        max,
        mean,
        stddev: count === 1 ? 0 : Math.sqrt(squares / (count - 1)),
        median: quantile(sorted, 0.5),
        p95: quantile(sorted, 0.95),
        isExact: count <= maxNumbers,
      };
    },
  };
}

/** Interpolates linearly between the two nearest values, like `percentile_cont` of Postgres. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? 0;
  const above = sorted[Math.ceil(at)] ?? 0;
  return below + (above - below) * (at - Math.floor(at));
}

import type { Sample } from "../results.ts";
import { processNames } from "../measure.ts";

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? upper) + upper) / 2 : upper;
}

export function medianOf(samples: readonly Sample[], read: (sample: Sample) => number): number {
  return median(samples.map(read));
}

export function jobsPerSecond({ jobs, seconds }: Sample): number {
  return jobs / seconds;
}

/** CPU time per job in µs, without the load generator. */
export function totalCpuUs({ cpuUs }: Sample): number {
  return processNames.reduce((sum, name) => sum + (cpuUs?.[name] ?? 0), 0);
}

import type { Sample } from "../results.ts";
import { formatNumber } from "./format.ts";
import { jobsPerSecond, totalCpuUs } from "./statistics.ts";

/** One line for the progress report. */
export function describeSample(sample: Sample): string {
  const { memory, p50Ms, errors } = sample;
  if (memory !== undefined) {
    const rss = Object.values(memory).reduce((sum, { rssMb }) => sum + rssMb, 0);
    return `${formatNumber(rss)} MB`;
  }
  const texts = [`${formatNumber(jobsPerSecond(sample))} jobs/s`];
  texts.push(`${formatNumber(totalCpuUs(sample))} µs of CPU per job`);
  if (p50Ms !== undefined) texts.push(`p50 ${formatNumber(p50Ms)} ms`);
  if (errors > 0) texts.push(`${errors} ERRORS`);
  return texts.join(", ");
}

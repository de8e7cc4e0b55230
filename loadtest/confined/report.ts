import type { K6Result } from "./k6.ts";
import type { Meter } from "./meter.ts";

/** Renders CPU and memory of the stack, from the first request until the last job was settled. */
export function renderCosts({ accepted, startedAt, settledAt }: K6Result, meter: Meter): string {
  if (startedAt === undefined || settledAt === undefined) return "";
  const cpuUs = meter.cpuUsBetween(startedAt, settledAt);
  const seconds = (settledAt - startedAt) / 1000;
  const before = meter.anonymousBytesAt(startedAt);
  const after = meter.anonymousBytesAt(settledAt);
  return [
    `CPU of the stack: ${figure(cpuUs / accepted)} µs per job, ${figure(cpuUs / seconds / 1e4)}% of one CPU`,
    `memory of the stack: ${megabytes(before)} before and ${megabytes(after)} after the load (anonymous),`,
    `${megabytes(meter.peakBytes())} peak including the page cache`,
  ].join("\n  ");
}

function megabytes(bytes: number): string {
  return `${figure(bytes / 1e6)} MB`;
}

function figure(value: number): string {
  return Number.isFinite(value) ? value.toFixed(0) : "(not measured)";
}

import { parseJsonOrNull } from "@toril/contract/api/json";
import type { DispatchOptions } from "@toril/contract/engine/redis/options";
import type { Job } from "bullmq";

type DispatchedJob = Pick<Job, "opts">;

/** Returns the W3C traceparent of a dispatched job. */
export function getTraceparent(job: DispatchedJob): string | undefined {
  const metadata = parseJsonOrNull(job.opts.telemetry?.metadata) ?? {};
  const { traceparent } = metadata as { traceparent?: unknown };
  return typeof traceparent === "string" ? traceparent : undefined;
}

/** Returns the tenant for log lines; authorization must use the ledger's tenant. */
export function getTenant(job: DispatchedJob): string {
  const { tenant } = job.opts as { tenant?: unknown };
  return typeof tenant === "string" ? tenant : "default";
}

/** Returns the number of the attempt, from 1. Lost attempts count; BullMQ does not count them towards the maximum. */
export function getAttempt({ attemptsMade, stalledCounter }: Job): number {
  return attemptsMade + stalledCounter + 1;
}

export function hasExpired({ opts }: DispatchedJob): boolean {
  const { expiresAt } = opts as DispatchOptions;
  return expiresAt !== undefined && expiresAt <= Date.now();
}

/** Returns the time from the due time to the start. The clocks of the dispatching and the running machine may differ. */
export function getWaitMs({ processedOn, timestamp, opts }: Job): number {
  return Math.max(0, (processedOn ?? 0) - timestamp - (opts.delay ?? 0));
}

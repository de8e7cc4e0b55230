import type { Job } from "bullmq";

type DispatchedJob = Pick<Job, "opts">;

/** Returns the W3C traceparent of a dispatched job. */
export function getTraceparent(job: DispatchedJob): string | undefined {
  const metadata = job.opts.telemetry?.metadata;
  if (metadata === undefined) return undefined;
  try {
    const { traceparent }: { traceparent?: unknown } = JSON.parse(metadata);
    return typeof traceparent === "string" ? traceparent : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the tenant for log lines; authorization must use the ledger's tenant. */
export function getTenant(job: DispatchedJob): string {
  const { tenant } = job.opts as { tenant?: unknown };
  return typeof tenant === "string" ? tenant : "default";
}

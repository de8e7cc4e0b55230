import type { Job } from "bullmq";

type PlacedJob = Pick<Job, "opts">;

/** The W3C traceparent that a job was placed with. */
export function traceparentOf(job: PlacedJob): string | undefined {
  const metadata = job.opts.telemetry?.metadata;
  if (metadata === undefined) return undefined;
  try {
    const { traceparent }: { traceparent?: unknown } = JSON.parse(metadata);
    return typeof traceparent === "string" ? traceparent : undefined;
  } catch {
    return undefined;
  }
}

/** For log lines: what else may be known of a tenant is the ledger's to say. */
export function tenantOf(job: PlacedJob): string {
  const { tenant } = job.opts as { tenant?: unknown };
  return typeof tenant === "string" ? tenant : "default";
}

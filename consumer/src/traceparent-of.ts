import type { Job } from "bullmq";

/** The W3C traceparent that a job was placed with. */
export function traceparentOf(job: Pick<Job, "opts">): string | undefined {
  const metadata = job.opts.telemetry?.metadata;
  if (metadata === undefined) return undefined;
  try {
    const { traceparent }: { traceparent?: unknown } = JSON.parse(metadata);
    return typeof traceparent === "string" ? traceparent : undefined;
  } catch {
    return undefined;
  }
}

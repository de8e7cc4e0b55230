import type { AttemptReport, FinishedAttempt } from "@toril/contract/api/worker/finish";
import { toJobError } from "@toril/contract/engine/jobs/attempt/job-error";
import { type Lease, parseLease, toLeasedBullId } from "@toril/contract/engine/jobs/attempt/lease";
import type { AttemptFailure, AttemptResult } from "@toril/contract/engine/jobs/attempt/outcome";

/** A report with a valid lease. */
export interface ReportEntry {
  index: number;
  report: AttemptReport;
  lease: Lease;
  bullId: string;
}

/** Only the first report of a job counts. Reports without a valid lease are left out. */
export function groupByQueue(
  reports: readonly AttemptReport[],
  mayWork: (queue: string) => boolean,
): Map<string, ReportEntry[]> {
  const byQueue = new Map<string, ReportEntry[]>();
  const seen = new Set<string>();
  reports.forEach((report, index) => {
    const lease = parseLease(report.lease);
    const bullId = lease && toLeasedBullId(report.id, lease);
    if (lease === undefined || bullId === undefined || !mayWork(lease.queue)) return;
    if (seen.has(report.id)) return;
    seen.add(report.id);
    const entries = byQueue.get(lease.queue) ?? [];
    byQueue.set(lease.queue, entries);
    entries.push({ index, report, lease, bullId });
  });
  return byQueue;
}

/** A second report with the lease of a settled one gets the same answer as a repeated request. */
export function repeatResults(reports: readonly AttemptReport[], results: FinishedAttempt[]) {
  const first = new Map<string, number>();
  reports.forEach(({ id, lease }, index) => {
    const at = first.get(id);
    if (at === undefined) first.set(id, index);
    else if (reports[at]?.lease === lease && isEnd(results[at])) {
      results[index] = { id, outcome: "already-settled" };
    }
  });
}

function isEnd(result: FinishedAttempt | undefined): boolean {
  return (
    result?.outcome === "already-settled" || result?.job === "completed" || result?.job === "dead"
  );
}

export function toResult(
  { report: { id, outcome: sent } }: ReportEntry,
  result: AttemptResult,
  errors: FinishedAttempt["errors"],
): FinishedAttempt {
  const { outcome: job } = result;
  if (job === "already-settled" || job === "expired") return { id, outcome: "already-settled" };
  if (job === "requeued") return { id, outcome: "settled", job: "released" };
  if (errors !== undefined) return { id, outcome: "invalid-result", job, errors };
  // Postgres cannot store the result.
  const isInvalid = sent === "completed" && job !== "completed";
  return { id, outcome: isInvalid ? "invalid-result" : "settled", job };
}

export function toFailure(
  { error, retry = true }: AttemptReport & { outcome: "failed" },
  scrub: ((text: string) => string) | undefined,
): AttemptFailure {
  const thrown = toError(error.name ?? "Error", error.message, error.stack);
  return {
    error: toJobError(thrown, scrub),
    retry:
      typeof retry === "object" ? new Date(Date.now() + retry.afterMs) : retry ? "policy" : "never",
  };
}

export function toError(name: string, message: string, stack?: string): Error {
  const error = new Error(message);
  error.name = name;
  if (stack === undefined) delete error.stack;
  else error.stack = stack;
  return error;
}

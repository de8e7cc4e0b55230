import type { Job, JobDetail } from "@toril/client";
import { renderFields } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";
import { type Style, styleStatus } from "../output/style.ts";

const head = ["id", "type", "queue", "status", "attempts", "created", "key"];

export function renderJobs(jobs: readonly Job[], style: Style): string {
  return renderTable(
    head.map((title) => style("bold", title)),
    jobs.map((job) => [
      job.id,
      toPrintable(job.type),
      toPrintable(job.queue),
      styleStatus(style, job.state ?? job.status),
      `${job.attempts.made}/${job.attempts.max}`,
      formatTime(job.createdAt),
      toPrintable(job.key ?? "-"),
    ]),
  );
}

export function renderJob(job: Job | JobDetail, style: Style): string {
  const { error } = job;
  const fields = renderFields([
    ["id", job.id],
    ["type", toPrintable(job.type)],
    ["queue", toPrintable(job.queue)],
    ["status", styleStatus(style, job.status) + (job.state === null ? "" : ` (${job.state})`)],
    ["key", job.key === null ? null : toPrintable(job.key)],
    ["labels", toPrintable(job.labels.join(", "))],
    ["attempts", `${job.attempts.made} of ${job.attempts.max}`],
    ["priority", job.priority === null ? null : String(job.priority)],
    ["created", job.createdAt],
    ["run at", job.runAt],
    ["expires", job.expiresAt],
    ["settled", job.settledAt],
    ["import", job.importId],
    ["schedule", job.schedule],
    ["children", "children" in job ? renderCounts(job.children) : null],
    ["progress", toJson(job.progress)],
    ["data", toJson(job.data)],
    ["result", toJson(job.result)],
    ["error", error === null ? null : style("red", toPrintable(`${error.name}: ${error.message}`))],
  ]);
  const history = "attemptHistory" in job ? job.attemptHistory : [];
  if (history.length === 0) return fields;
  const attempts = renderTable(
    ["attempt", "outcome", "started", "duration", "worker"].map((title) => style("bold", title)),
    history.map((attempt) => [
      String(attempt.attempt),
      styleStatus(style, attempt.outcome),
      attempt.startedAt === null ? "-" : formatTime(attempt.startedAt),
      attempt.durationMs === null ? "-" : `${attempt.durationMs} ms`,
      toPrintable(attempt.worker ?? "-"),
    ]),
  );
  return `${fields}\n\n${attempts}`;
}

/** Renders how many of the jobs that a job waits for have which status: `3: 1 pending, 2 completed`. */
function renderCounts(children: JobDetail["children"]): string | null {
  if (children === null) return null;
  const { total, import: _, ...statuses } = children;
  const counts = Object.entries(statuses).filter(([, count]) => count > 0);
  return [total, counts.map(([status, count]) => `${count} ${status}`).join(", ")].join(": ");
}

/** Formats an ISO time to seconds, in UTC. */
export function formatTime(iso: string): string {
  return `${iso.slice(0, 19).replace("T", " ")}Z`;
}

/** JSON.stringify escapes control characters below U+0020; the others are replaced. */
function toJson(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return toPrintable(JSON.stringify(value));
}

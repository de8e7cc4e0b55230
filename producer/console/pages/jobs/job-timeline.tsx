import type { JobDetail } from "@toril/client";
import { formatDuration } from "../../ui/durations.ts";
import { formatTime } from "../../ui/time.tsx";

interface Step {
  at: string | null;
  title: string;
  detail?: string | undefined;
  tone?: "good" | "bad" | "busy" | undefined;
}

/** What happened to a job, in order, with the time since its creation. */
export function JobTimeline({ job }: { job: JobDetail }) {
  const createdAt = Date.parse(job.createdAt);
  return (
    <ol class="timeline">
      {toSteps(job).map(({ at, title, detail, tone }, index) => (
        <li key={index} data-tone={tone}>
          <span class="timeline-title">{title}</span>
          {detail !== undefined && <span class="timeline-detail">{detail}</span>}
          {at !== null && (
            <time dateTime={at} title={formatTime(at)}>
              {index === 0 ? formatTime(at) : formatTime(at).slice(11)}
              {Date.parse(at) > createdAt && (
                <span class="muted"> +{formatDuration(Date.parse(at) - createdAt)}</span>
              )}
            </time>
          )}
        </li>
      ))}
    </ol>
  );
}

const tones = {
  completed: "good",
  active: "busy",
  failed: "bad",
  lost: "bad",
  cancelled: undefined,
} as const;

/** Says what a pending job waits for. */
function describeWaiting({ state, attempts }: JobDetail): Pick<Step, "title" | "detail"> {
  if (state === null) return { title: "Waiting", detail: "Its state in Redis is unknown" };
  if (state === "undispatched") {
    return { title: "Waiting for Redis", detail: "Will be dispatched later" };
  }
  if (state === "waiting-children") return { title: "Waiting for its children" };
  if (state !== "delayed") return { title: "Waiting for a worker" };
  return { title: attempts.made > 0 ? "Waiting for the next attempt" : "Waiting until due" };
}

/** Returns the step to Redis; undefined if the job is not known to have taken it. */
function toDispatch(job: JobDetail): Step | undefined {
  const { createdAt, dispatchedAt, runAt, history } = job;
  const first = job.attemptHistory[0];
  if (dispatchedAt === null && first === undefined) return undefined;
  const details = ["Written to Redis"];
  // A retried job is measured from its retry, whose time is not recorded.
  if (first?.attempt === 1 && first.startedAt !== null && history.length === 0) {
    const from = Math.max(Date.parse(createdAt), Date.parse(runAt ?? createdAt));
    const ms = Date.parse(first.startedAt) - from;
    // A promoted job starts before its due time.
    if (ms >= 0) details.push(`time to start ${formatDuration(ms)}`);
  }
  return { at: dispatchedAt, title: "Dispatched", detail: details.join(", ") };
}

function toSteps(job: JobDetail): Step[] {
  const failures = new Map(job.failures.map((failure) => [failure.attempt, failure]));
  const steps: Step[] = [{ at: job.createdAt, title: "Accepted", detail: "Committed to Postgres" }];
  const dispatch = toDispatch(job);
  const due = job.runAt !== null && { at: job.runAt, title: "Due" };
  // A job that waits for its time is in Redis already, unless it was full.
  const isLate = due && dispatch && dispatch.at !== null && dispatch.at > due.at;
  steps.push(...[isLate ? due : dispatch, isLate ? dispatch : due].filter((step) => !!step));
  for (const { attempt, startedAt, durationMs, outcome, worker } of job.attemptHistory) {
    const failure = failures.get(attempt);
    const took = durationMs === null ? undefined : `after ${formatDuration(durationMs)}`;
    const facts = [outcome === "active" ? "running" : outcome, took, worker && `on ${worker}`];
    const error = failure && `${failure.name}: ${failure.message}`;
    steps.push({
      at: startedAt,
      title: `Attempt ${attempt}`,
      detail: [facts.filter(Boolean).join(" "), error].filter(Boolean).join(". "),
      tone: tones[outcome],
    });
  }
  if (job.status === "pending" && job.state !== "active") {
    steps.push({ at: null, tone: "busy", ...describeWaiting(job) });
  }
  if (job.settledAt !== null) {
    const tone = job.status === "completed" ? "good" : job.status === "dead" ? "bad" : undefined;
    steps.push({ at: job.settledAt, title: `Settled: ${job.status}`, tone });
  }
  return steps;
}

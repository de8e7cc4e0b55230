import type { DeadLetterSummary, Overview } from "@toril/client";
import { formatBytes, plural } from "../../ui/numbers.ts";
import { formatDuration } from "../../ui/durations.ts";

/** A problem of the service, in words. */
export interface Problem {
  id: string;
  tone: "bad" | "warn";
  text: string;
  action?:
    | { kind: "resume"; queue: string }
    | {
        kind: "link";
        title: string;
        /** Title for callers who may only read. */
        readOnlyTitle?: string;
        path: string;
        query?: Readonly<Record<string, string>>;
      };
  /** Heading of the runbook. */
  runbook: string;
}

/** A queue is late if its next job has been ready for this long. */
const lateMs = 60_000;
/** Deaths of this many last slots count as recent: five minutes. */
const recentSlots = 30;

/** Finds what needs a person, the most urgent first. */
export function findProblems(
  overview: Overview,
  deadLetters: DeadLetterSummary | undefined,
): Problem[] {
  const problems = [
    ...findMemoryProblems(overview),
    ...overview.queues.flatMap(findQueueProblems),
    ...findFailures(overview, deadLetters),
  ];
  return problems.toSorted((a, b) => Number(b.tone === "bad") - Number(a.tone === "bad"));
}

function findMemoryProblems({ redis: { usedBytes, maxBytes } }: Overview): Problem[] {
  if (maxBytes === null || usedBytes < 0.8 * maxBytes) return [];
  const percent = Math.round((usedBytes / maxBytes) * 100);
  return [
    {
      id: "memory",
      tone: percent >= 95 ? "bad" : "warn",
      text: `Redis uses ${percent}% of its memory (${formatBytes(usedBytes)} of ${formatBytes(maxBytes)}). When it is full, jobs are accepted and not dispatched.`,
      runbook: percent >= 95 ? "redismemoryfull" : "redismemoryhigh",
    },
  ];
}

function findQueueProblems(queue: Overview["queues"][number]): Problem[] {
  const { name, waiting, paused, workers, stockWorkers, oldestWaitingMs } = queue;
  if (paused) {
    const text = `The queue ${name} is paused: ${plural(waiting, "job")} waiting, and new jobs will wait, too.`;
    const action = { kind: "resume", queue: name } as const;
    return [{ id: `paused ${name}`, tone: "warn", text, action, runbook: "toriloldestjobwaits" }];
  }
  if (waiting === 0) return [];
  // Jobs of a queue whose stock workers are unknown are late at some time, if it has none.
  if (workers === 0 && stockWorkers === 0) {
    const text = `No worker processes the queue ${name}; ${plural(waiting, "job")} waiting. Start a consumer or another worker that serves it.`;
    return [{ id: `workers ${name}`, tone: "bad", text, runbook: "torilnoconsumer" }];
  }
  if (oldestWaitingMs < lateMs) return [];
  const text = `The next job of the queue ${name} has been ready for ${formatDuration(oldestWaitingMs)}: its workers do not keep up. Start more consumers, or raise their concurrency.`;
  const action = { kind: "link", title: "Limits of the queue", path: `/queues/${name}` } as const;
  return [{ id: `late ${name}`, tone: "warn", text, action, runbook: "torilbackloggrows" }];
}

function findFailures(overview: Overview, summary: DeadLetterSummary | undefined): Problem[] {
  const dead = overview.slots.slice(-recentSlots).reduce((sum, slot) => sum + slot.dead, 0);
  const [group] = summary?.groups ?? [];
  if (dead === 0 || group === undefined) return [];
  const total = summary?.groups.reduce((sum, { count }) => sum + count, 0) ?? 0;
  return [
    {
      id: "dead",
      tone: "bad",
      text: `${plural(dead, "job")} died within five minutes; ${plural(total, "dead letter")} in total. Most frequent: ${group.type}, “${group.reason ?? "no message"}”.`,
      action: {
        kind: "link",
        title: "Inspect and redrive",
        readOnlyTitle: "Inspect",
        path: "/dead-letters",
        query: { type: group.type, ...(group.reason !== null && { reason: group.reason }) },
      },
      runbook: "toriljobsdie",
    },
  ];
}

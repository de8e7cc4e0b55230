import { parseBullId } from "@toril/contract/engine/redis/names";
import type { StreamEntry } from "@toril/contract/engine/redis/event-stream";
import type { JobEvent, JobEventName } from "@toril/contract/api/event";
import type { JobOutcome, ReadOutcomes } from "./read-outcomes.ts";

/** An event with the tenant of its job. */
export interface Happening {
  tenant: string;
  event: JobEvent;
}

export interface FailedRun {
  /** Failed attempts so far. */
  attempts: number;
  reason: string;
}

export interface DescribeDeps {
  readOutcomes: ReadOutcomes;
  /** Reads failed attempts from Redis, in the order of `jobs`; undefined for a job that Redis no longer has. */
  readFailedRuns(
    jobs: readonly { queue: string; bullId: string }[],
  ): Promise<readonly (FailedRun | undefined)[]>;
  /** Called for a job that left Redis while Postgres has it pending: its settlement may be under way. */
  onUnsettled(id: string): void;
}

/** Converts stream entries to events, in the same order; undefined for entries that clients do not see. */
export type Describe = (entries: readonly StreamEntry[]) => Promise<(Happening | undefined)[]>;

const names: Readonly<Record<string, JobEventName>> = {
  waiting: "waiting",
  active: "active",
  progress: "progress",
  delayed: "delayed",
};
/** Whether and how a job ended is read from Postgres. */
const endings: Readonly<Record<string, JobEventName | undefined>> = {
  completed: "completed",
  failed: "dead",
  removed: undefined,
};
const maxKnown = 10_000;

export function createDescribe({ readOutcomes, readFailedRuns, onUnsettled }: DescribeDeps) {
  // Cached outcomes of settled jobs do not change; of pending jobs, only the status does.
  const known = new Map<string, JobOutcome>();

  async function learn(entries: readonly Named[]) {
    const missing = new Set<string>();
    for (const { entry, id, run } of entries) {
      const found = known.get(id);
      const isStale =
        entry.event in endings && (found?.status === "pending" || (found?.run ?? 0) < run);
      if (found === undefined || isStale) missing.add(id);
    }
    if (missing.size === 0) return;
    for (const outcome of await readOutcomes([...missing])) {
      known.delete(outcome.id);
      known.set(outcome.id, outcome);
    }
    for (const id of known.keys()) {
      if (known.size <= maxKnown) break;
      known.delete(id);
    }
  }

  function toEvent({ entry, id, run }: Named, job: JobOutcome, failed: FailedRun | undefined) {
    if (entry.event in endings) {
      if (job.status !== "pending") return endOf(job, atOf(entry));
      if (job.run === run) onUnsettled(id);
      const name = endings[entry.event];
      // The job was retried meanwhile.
      if (job.run <= run || name === undefined) return undefined;
      return { ...baseOf(job), event: name, status: "pending" as const, at: atOf(entry) };
    }
    const name = names[entry.event];
    if (name === undefined) return undefined;
    const event: JobEvent = { ...baseOf(job), event: name, status: "pending", at: atOf(entry) };
    if (name === "progress") event.progress = parseProgress(entry.fields["data"]);
    if (name === "delayed") event.runAt = new Date(Number(entry.fields["delay"])).toISOString();
    if (failed !== undefined) {
      const error = { name: "Error", message: failed.reason };
      Object.assign(event, { event: "failed", attempts: failed.attempts, error });
    }
    return event;
  }

  const describe: Describe = async (entries) => {
    const named = entries.map((entry) => {
      const isOfInterest = entry.event in names || entry.event in endings;
      const target = isOfInterest ? parseBullId(entry.bullId) : undefined;
      return target && { entry, ...target };
    });
    await learn(named.filter((one) => one !== undefined));
    const retried = entries.filter((entry) => mayBeRetry(entry, entries));
    const failedRuns = retried.length === 0 ? [] : await readFailedRuns(retried);
    return named.map((one) => {
      const job = one && known.get(one.id);
      if (one === undefined || job === undefined) return undefined;
      const event = toEvent(one, job, failedRuns[retried.indexOf(one.entry)]);
      return event && { tenant: job.tenant, event };
    });
  };
  return describe;
}

interface Named {
  entry: StreamEntry;
  id: string;
  run: number;
}

/** Returns the final event of a job. */
export function endOf(job: JobOutcome, at: string): JobEvent {
  const { status, attempts, error } = job;
  const event = status === "pending" ? "waiting" : status;
  return { ...baseOf(job), event, status, at, attempts, ...(error && { error }) };
}

function baseOf({ id, type, queue, importId }: JobOutcome) {
  return { id, type, queue, importId };
}

/** A stalled job returns to waiting too, without a failed attempt. */
function mayBeRetry(entry: StreamEntry, entries: readonly StreamEntry[]): boolean {
  if (entry.event === "delayed") return true;
  return (
    entry.event === "waiting" &&
    entry.fields["prev"] === "active" &&
    !entries.some(({ event, bullId }) => event === "stalled" && bullId === entry.bullId)
  );
}

function atOf({ position }: StreamEntry): string {
  return new Date(Number(position.split("-")[0])).toISOString();
}

/** Returns null for invalid JSON: workers may write any progress. */
function parseProgress(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

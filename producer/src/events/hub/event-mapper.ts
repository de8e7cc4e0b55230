import { parseJsonOrNull } from "@toril/contract/api/json/json";
import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import type { JobEvent, JobEventName } from "@toril/contract/api/jobs/event";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { StreamEntry } from "@toril/contract/engine/redis/event-stream";
import { jobKey, parseBullId } from "@toril/contract/engine/redis/names";
import type { Cluster, Redis } from "ioredis";

/** The columns of a job that events need. */
export type JobOutcome = Pick<
  JobColumns,
  | "id"
  | "tenant"
  | "type"
  | "queue"
  | "importId"
  | "status"
  | "generation"
  | "attempts"
  /** Truncated and without its stack, because many outcomes are cached. */
  | "error"
>;

export type ReadOutcomes = (ids: readonly string[]) => Promise<JobOutcome[]>;

/** An event with the tenant of its job. */
export interface TenantEvent {
  tenant: string;
  event: JobEvent;
}

export interface FailedAttempt {
  /** Failed attempts so far. */
  attempts: number;
  reason: string;
}

export interface EventMapperDeps {
  readOutcomes: ReadOutcomes;
  /** Reads failed attempts from Redis, in the order of `jobs`; undefined for a job that Redis no longer has. */
  readFailedAttempts(
    jobs: readonly { queue: string; bullId: string }[],
  ): Promise<readonly (FailedAttempt | undefined)[]>;
  /** Called for a job that left Redis while Postgres has it pending: its settlement may be under way. */
  onUnsettled(id: string): void;
}

/** Converts stream entries to events, in the same order; undefined for entries that clients do not see. */
export type MapToEvents = (entries: readonly StreamEntry[]) => Promise<(TenantEvent | undefined)[]>;

const liveEvents: Readonly<Record<string, JobEventName>> = {
  waiting: "waiting",
  active: "active",
  progress: "progress",
  delayed: "delayed",
};
/** Whether and how a job ended is read from Postgres. */
const finalEvents: Readonly<Record<string, JobEventName | undefined>> = {
  completed: "completed",
  // BullMQ's `failed` is final: Toril's `dead`. Toril's event `failed` is a failed attempt.
  failed: "dead",
  removed: undefined,
};
/** Whether an entry may report the end of a job. */
export function isFinal({ event }: StreamEntry): boolean {
  return event in finalEvents;
}

const maxCachedOutcomes = 10_000;

export function createEventMapper({
  readOutcomes,
  readFailedAttempts,
  onUnsettled,
}: EventMapperDeps) {
  // Cached outcomes of settled jobs do not change; of pending jobs, only the status does.
  const cachedOutcomes = new Map<string, JobOutcome>();

  async function loadOutcomes(entries: readonly JobEntry[]) {
    const missing = new Set<string>();
    for (const { entry, id, generation } of entries) {
      const cached = cachedOutcomes.get(id);
      const isStale =
        entry.event in finalEvents &&
        (cached?.status === "pending" || (cached?.generation ?? 0) < generation);
      if (cached === undefined || isStale) missing.add(id);
    }
    if (missing.size === 0) return;
    for (const outcome of await readOutcomes([...missing])) {
      cachedOutcomes.delete(outcome.id);
      cachedOutcomes.set(outcome.id, outcome);
    }
    for (const id of cachedOutcomes.keys()) {
      if (cachedOutcomes.size <= maxCachedOutcomes) break;
      cachedOutcomes.delete(id);
    }
  }

  function toEvent(
    { entry, id, generation }: JobEntry,
    job: JobOutcome,
    failedAttempt: FailedAttempt | undefined,
  ) {
    if (entry.event in finalEvents) {
      if (job.status !== "pending") return toFinalEvent(job, getEntryTime(entry));
      if (job.generation === generation) onUnsettled(id);
      const name = finalEvents[entry.event];
      // The job was retried meanwhile.
      if (job.generation <= generation || name === undefined) return undefined;
      return {
        ...toEventBase(job),
        event: name,
        status: "pending" as const,
        at: getEntryTime(entry),
      };
    }
    const name = liveEvents[entry.event];
    if (name === undefined) return undefined;
    const event: JobEvent = {
      ...toEventBase(job),
      event: name,
      status: "pending",
      at: getEntryTime(entry),
    };
    if (name === "progress") event.progress = parseJsonOrNull(entry.fields["data"]);
    if (name === "delayed") event.runAt = new Date(Number(entry.fields["delay"])).toISOString();
    if (failedAttempt !== undefined) {
      const error = { name: "Error", message: failedAttempt.reason };
      Object.assign(event, { event: "failed", attempts: failedAttempt.attempts, error });
    }
    return event;
  }

  const mapToEvents: MapToEvents = async (entries) => {
    const jobEntries = entries.map((entry) => {
      const isVisible = entry.event in liveEvents || entry.event in finalEvents;
      const target = isVisible ? parseBullId(entry.bullId) : undefined;
      return target && { entry, ...target };
    });
    await loadOutcomes(jobEntries.filter((jobEntry) => jobEntry !== undefined));
    const retryEntries = entries.filter((entry) => isPossibleRetry(entry, entries));
    const failedAttempts = retryEntries.length === 0 ? [] : await readFailedAttempts(retryEntries);
    return jobEntries.map((jobEntry) => {
      const job = jobEntry && cachedOutcomes.get(jobEntry.id);
      if (jobEntry === undefined || job === undefined) return undefined;
      const event = toEvent(jobEntry, job, failedAttempts[retryEntries.indexOf(jobEntry.entry)]);
      return event && { tenant: job.tenant, event };
    });
  };
  return mapToEvents;
}

interface JobEntry {
  entry: StreamEntry;
  id: string;
  generation: number;
}

/** Returns the final event of a job. */
export function toFinalEvent(job: JobOutcome, at: string): JobEvent {
  const { status, attempts, error } = job;
  const event = status === "pending" ? "waiting" : status;
  return { ...toEventBase(job), event, status, at, attempts, ...(error && { error }) };
}

function toEventBase({ id, type, queue, importId }: JobOutcome) {
  return { id, type, queue, importId };
}

/** A stalled job returns to waiting too, without a failed attempt. */
function isPossibleRetry(entry: StreamEntry, entries: readonly StreamEntry[]): boolean {
  if (entry.event === "delayed") return true;
  return (
    entry.event === "waiting" &&
    entry.fields["prev"] === "active" &&
    !entries.some(({ event, bullId }) => event === "stalled" && bullId === entry.bullId)
  );
}

function getEntryTime({ position }: StreamEntry): string {
  return new Date(Number(position.split("-")[0])).toISOString();
}

export function createReadOutcomes(ledger: Ledger): ReadOutcomes {
  return (ids) =>
    ledger.run(
      (sql) => sql<JobOutcome[]>`
        select id, tenant, type, queue, import_id as "importId", status, generation, attempts,
               case when jsonb_typeof(error) = 'object' then
                 jsonb_build_object('name', left(error->>'name', 100), 'message', left(error->>'message', 1000))
               end as error
        from jobs where id = any(${[...ids]}::uuid[])`,
    );
}

export function createReadFailedAttempts(
  redis: Redis | Cluster,
  prefix: string,
): EventMapperDeps["readFailedAttempts"] {
  const read = async (queue: string, bullId: string): Promise<FailedAttempt | undefined> => {
    const key = jobKey(prefix, queue, bullId);
    const [attemptsMade, reason] = await redis.hmget(key, "atm", "failedReason").catch(() => []);
    const attempts = Number(attemptsMade ?? 0);
    return attempts > 0 && typeof reason === "string" ? { attempts, reason } : undefined;
  };
  return (jobs) => Promise.all(jobs.map(({ queue, bullId }) => read(queue, bullId)));
}

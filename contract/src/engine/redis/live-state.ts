import type { RedisState } from "../../api/jobs/job-states.ts";
import { parseJsonOrNull } from "../../api/json/json.ts";
import { jobKey, lockKey, queueKeys } from "./names.ts";

interface Attempts {
  attemptsMade: number;
  attemptsStarted: number;
  /** Progress last reported by the handler; null if none. */
  progress: unknown;
  /** When the job was written to Redis, ms since 1970. */
  dispatchedOn: number | undefined;
  /** When the last attempt began, ms since 1970. */
  processedOn: number | undefined;
  /** How often the job stalled, that is, lost its consumer. */
  stalls: number;
  /** The last worker; a stock BullMQ worker has a name only if configured. */
  worker: string | null;
}

/** The state of a job in Redis. */
export type LiveState = Attempts &
  (
    | { state: RedisState }
    | { state: "finished"; hasFailed: false; returnValue: unknown }
    | { state: "finished"; hasFailed: true; failedReason: string }
  );

/** The subset of an ioredis client (single or Cluster) that reading states uses. */
export interface PipelineRedis {
  pipeline(): ReadPipeline;
}

export interface ReadPipeline {
  exists(key: string): unknown;
  zmscore(key: string, members: string[]): unknown;
  hmget(key: string, ...fields: string[]): unknown;
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

/**
 * Reads the states of jobs in Redis, in order; undefined for jobs without lock and hash, even if a list still contains
 * the id. Two reads per job and two per queue, no list scan, one pipeline per queue. Not a snapshot: a job that moves
 * meanwhile is reported in the state in which it was seen. Rejects if Redis rejects a read.
 */
export async function readLiveStates(
  redis: PipelineRedis,
  prefix: string,
  jobs: readonly { queue: string; bullId: string }[],
): Promise<(LiveState | undefined)[]> {
  const states = Array.from<LiveState | undefined>({ length: jobs.length });
  const byQueue = Map.groupBy(jobs.entries(), ([, job]) => job.queue);
  await Promise.all(
    byQueue.entries().map(async ([queue, group]) => {
      const ids = group.map(([, job]) => job.bullId);
      const found = await readQueue(redis.pipeline(), prefix, queue, ids);
      for (const [at, [index]] of group.entries()) states[index] = found[at];
    }),
  );
  return states;
}

async function readQueue(pipeline: ReadPipeline, prefix: string, queue: string, ids: string[]) {
  const keys = queueKeys(prefix, queue);
  pipeline.zmscore(keys.delayed, ids);
  pipeline.zmscore(keys.prioritized, ids);
  for (const id of ids) {
    pipeline.exists(lockKey(prefix, queue, id));
    // Read last, so that a job that ended meanwhile is reported as ended.
    pipeline.hmget(jobKey(prefix, queue, id), ...hashFields);
  }
  const [delayed, prioritized, ...perJob] = getReplies(await pipeline.exec());
  const [delayedScores, prioritizedScores] = [toList(delayed), toList(prioritized)];
  return ids.map((_, at) => {
    const isLocked = perJob[2 * at] === 1;
    const hash = toList(perJob[2 * at + 1]);
    if (!isLocked && hash.every((value) => value === null)) return undefined;
    let state: RedisState = "waiting";
    if (isLocked) state = "active";
    else if (delayedScores[at] !== null) state = "delayed";
    else if (prioritizedScores[at] !== null) state = "prioritized";
    return toLiveState(hash.map(toText), state);
  });
}

const hashFields = [
  "atm",
  "ats",
  "progress",
  "processedOn",
  "finishedOn",
  "failedReason",
  "returnvalue",
  "timestamp",
  "stc",
  "pb",
];

function toLiveState(hash: (string | undefined)[], state: RedisState): LiveState {
  const [made, started, progress, processedOn, finishedOn, failedReason, returnValue] = hash;
  const [dispatchedOn, stalls, worker] = hash.slice(7);
  const attempts = {
    attemptsMade: Number(made ?? 0),
    attemptsStarted: Number(started ?? 0),
    progress: parseJsonOrNull(progress),
    dispatchedOn: dispatchedOn === undefined ? undefined : Number(dispatchedOn),
    processedOn: processedOn === undefined ? undefined : Number(processedOn),
    stalls: Number(stalls ?? 0),
    worker: worker ?? null,
  };
  if (finishedOn === undefined) return { ...attempts, state: state };
  // A job that completed after a failed attempt keeps `failedReason`; a failed job never has a return value.
  return returnValue === undefined
    ? { ...attempts, state: "finished", hasFailed: true, failedReason: failedReason ?? "" }
    : {
        ...attempts,
        state: "finished",
        hasFailed: false,
        returnValue: parseJsonOrNull(returnValue),
      };
}

function getReplies(results: [error: Error | null, reply: unknown][] | null) {
  return (results ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}

function toList(reply: unknown): unknown[] {
  if (!Array.isArray(reply)) throw new Error("Redis returned no list");
  return reply;
}

function toText(value: unknown) {
  return typeof value === "string" ? value : undefined;
}

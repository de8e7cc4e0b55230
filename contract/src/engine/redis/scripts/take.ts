import { queueKeys } from "../names.ts";
import { createBufferScript, type BufferScriptRedis } from "./script.ts";
import { decodeTakenFields, type TakenFields } from "./taken-fields.ts";

/** A job that a worker holds; `token` is the value of its lock. */
export interface HeldJob {
  id: string;
  token: string;
}

/** A job as Redis stores it, with the lock that this call acquired. */
export interface TakenJson extends HeldJob {
  /** Undefined if Redis lost the hash of the job. */
  name: string | undefined;
  /** JSON text. */
  data: string | undefined;
  /** JSON text, with BullMQ's abbreviations. */
  options: string | undefined;
  /** Creation time, ms since 1970; 0 if Redis lost the hash. */
  timestamp: number;
  /** When the job was taken, ms since 1970. */
  takenAt: number;
  /** Name of the worker that took the job. */
  worker: string;
  attemptsMade: number;
  /** Includes the attempt that begins now. */
  attemptsStarted: number;
  stalls: number;
  /** Why the job must fail without running, for example because it stalled too often. */
  deferredFailure: string | undefined;
  /** Id of the BullMQ job scheduler that created the job; a worker must schedule the next job. */
  schedulerId: string | undefined;
}

/**
 * `finished`: the job is removed. `unsupported`: the job belongs to a flow or has a deduplication id and is unchanged;
 * finish it with BullMQ. The others: the job is unchanged, because this worker does not hold it any more.
 */
export type FinishResult =
  | "finished"
  | "unsupported"
  | "missing"
  | "no-lock"
  | "not-active"
  | "other-lock";

export interface TakeRequest {
  /** Maximum number of jobs to take, at most `maxTakenPerCall`; 0 takes none. */
  limit: number;
  /** Completed jobs, at most `maxFinishedPerCall`. */
  finished: readonly HeldJob[];
  /** Value of the locks of the taken jobs; unique per call. */
  token: string;
  /** Instead of those of `TakeSettings`. */
  workerName?: string;
  lockDurationMs?: number;
}

export interface TakeReply {
  /** In the order of the request. */
  finished: FinishResult[];
  jobs: TakenJson[];
  /** Ms until the rate limit allows the next job; 0 if jobs may be taken. */
  rateLimitMs: number;
  /** Due time of the next delayed job, ms since 1970; 0 if unknown or none. */
  nextDueAt: number;
  /** The malformed setting of the queue; in this case no job was taken. */
  malformed: string | undefined;
}

/** Finishes and takes jobs of one queue in one call. Rejects with the client's errors. */
export type Take = (request: TakeRequest) => Promise<TakeReply>;

export interface TakeSettings {
  prefix: string;
  queue: string;
  /** The text of `takeScriptUrl`. */
  script: string;
  workerName: string;
  lockDurationMs: number;
  /** The worker's rate limit; a limit of the queue replaces it. */
  limiter: { max: number; duration: number } | undefined;
  /** JSON text. */
  returnValue: string;
}

export const takeScriptUrl: URL = new URL("./take.lua", import.meta.url);

// A call blocks Redis for about 2 ms.
export const maxTakenPerCall = 64;
export const maxFinishedPerCall = 128;

export function createTake(redis: BufferScriptRedis, settings: TakeSettings): Take {
  const run = createBufferScript(redis, settings.script);
  const { limiter } = settings;
  const { base, ...named } = queueKeys(settings.prefix, settings.queue);
  const { wait, active, prioritized, events, stalled, limiter: limiterKey } = named;
  const { delayed, meta, pc, marker } = named;
  const keys = [wait, active, prioritized, events, stalled, limiterKey, delayed, meta, pc, marker];
  const limits = limiter ? [String(limiter.max), String(limiter.duration)] : ["", ""];

  return async ({ limit, finished, token, ...own }) => {
    const now = Date.now();
    const { workerName: worker, lockDurationMs } = { ...settings, ...own };
    const args = [base, String(now), String(limit), token, String(lockDurationMs), worker];
    args.push(...limits, settings.returnValue);
    appendFinished(args, finished);
    const [codes, rateLimitMs, nextDueAt, jobs, malformed] = (await run(keys, args)) as Reply;
    return {
      finished: codes?.map((code) => finishResults[code] ?? "missing") ?? finished.map(isFinished),
      jobs:
        jobs === null ? [] : decodeTakenFields(jobs).map((job) => toJob(job, token, now, worker)),
      rateLimitMs,
      nextDueAt,
      malformed: malformed?.toString(),
    };
  };
}

/** Texts are Buffers. `codes` is null if all jobs are finished. */
type Reply = [
  codes: number[] | null,
  rateLimitMs: number,
  nextDueAt: number,
  jobs: Buffer | null,
  malformed: Buffer | null,
];

const finishResults: Record<number, FinishResult> = {
  0: "finished",
  1: "unsupported",
  [-1]: "missing",
  [-2]: "no-lock",
  [-3]: "not-active",
  [-6]: "other-lock",
};

const isFinished = (): FinishResult => "finished";

/** Appends groups of jobs that were taken in one call. */
function appendFinished(args: string[], jobs: readonly HeldJob[]): void {
  let token: string | undefined;
  let countAt = 0;
  for (const job of jobs) {
    if (job.token !== token) {
      token = job.token;
      countAt = args.push(token, "") - 1;
    }
    args.push(job.id);
    args[countAt] = String(args.length - 1 - countAt);
  }
}

function toJob(fields: TakenFields, token: string, takenAt: number, worker: string): TakenJson {
  const [name, data, options, timestamp, made, started, stalls, failure, scheduler, id] = fields;
  return {
    id: id ?? "",
    token,
    takenAt,
    worker,
    name,
    data,
    options,
    timestamp: Number(timestamp ?? 0),
    attemptsMade: Number(made ?? 0),
    attemptsStarted: Number(started ?? 0) + 1,
    stalls: Number(stalls ?? 0),
    deferredFailure: failure,
    schedulerId: scheduler,
  };
}

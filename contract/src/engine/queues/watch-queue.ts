import { z } from "zod";
import type { Queue, QueueSettings, QueueWorker } from "../../api/queue.ts";
import { queueKeys, samplesKey, workersKey } from "../redis/names.ts";
import { createScript, type ScriptRedis } from "../redis/scripts/script.ts";
import { parseHeartbeat, silentMs } from "./worker-heartbeat.ts";

/** Numbers of jobs that a queue has received and still has. */
export interface QueueArrivals {
  /** Ms since 1970. */
  at: number;
  /** Jobs ever added. */
  added: number;
  /** Jobs that are not finished. */
  backlog: number;
}

/** Live data of a queue, beside its size. */
export interface WatchedQueue extends Omit<QueueSettings, "queue"> {
  rates: Queue["rates"];
  workers: QueueWorker[];
  arrivals: QueueArrivals;
}

/** Samples and reads a queue; see watch-queue.lua. Rejects with the client's errors. */
export type WatchQueue = (queue: string) => Promise<WatchedQueue>;

export const watchScriptUrl: URL = new URL("./watch-queue.lua", import.meta.url);

const Limit = z.coerce.number().nullable();
const Answer = z.tuple([
  z.number(),
  z.tuple([z.number(), z.number()]),
  z.tuple([z.number(), z.number(), z.number()]).nullable(),
  z.tuple([z.string().nullable(), Limit, Limit, Limit]),
  z.array(z.string()),
]);

/** A rate over a shorter period is meaningless. */
const minPeriodMs = 2000;

/**
 * Creates the function that watches queues.
 * @param settings.script the text of `watchScriptUrl`
 */
export function createWatchQueue(
  redis: ScriptRedis,
  { prefix, script }: { prefix: string; script: string },
): WatchQueue {
  const run = createScript(redis, script);
  return async (queue) => {
    const { id, wait, active, delayed, prioritized, meta } = queueKeys(prefix, queue);
    const keys = [id, wait, active, delayed, prioritized, meta];
    const answer = await run([samplesKey(prefix, queue), ...keys, workersKey(prefix, queue)], []);
    const [now, current, oldest, [paused, concurrency, max, durationMs], beats] =
      Answer.parse(answer);
    return {
      rates: oldest && getRates(now, current, oldest),
      workers: toWorkers(now, beats),
      arrivals: { at: now, added: current[0], backlog: current[1] },
      paused: paused !== null,
      concurrency,
      rateLimit: max === null || durationMs === null ? null : { max, durationMs },
    };
  };
}

function getRates(
  now: number,
  [added, backlog]: [number, number],
  [at, addedBefore, backlogBefore]: [number, number, number],
): Queue["rates"] {
  const overMs = now - at;
  if (overMs < minPeriodMs) return null;
  const arrived = added - addedBefore;
  const left = Math.max(0, arrived - (backlog - backlogBefore));
  return { in: perSecond(arrived, overMs), out: perSecond(left, overMs), overMs };
}

function perSecond(count: number, ms: number) {
  return Math.round((count * 100_000) / ms) / 100;
}

function toWorkers(now: number, flat: readonly string[]): QueueWorker[] {
  const workers: QueueWorker[] = [];
  for (let index = 0; index < flat.length; index += 2) {
    const beat = parseHeartbeat(flat[index] ?? "", flat[index + 1] ?? "");
    if (beat !== undefined && beat.seenAt > now - silentMs) {
      workers.push({ ...beat, seenAt: new Date(beat.seenAt).toISOString() });
    }
  }
  return workers.toSorted((one, other) => one.startedAt.localeCompare(other.startedAt));
}

import { bullId, queueKeys } from "@toril/contract/engine/redis/names";
import { toDispatchOptions } from "@toril/contract/engine/redis/options";
import { maxEntriesPerCall, type DispatchEntry } from "@toril/contract/engine/redis/dispatch";
import { JobOptions } from "@toril/contract/api/job-options";
import { z } from "zod";
import type { Leadership } from "./leadership.ts";
import { type JobToDispatch, type PendingJob, readJobsToDispatch } from "./pending.ts";
import type { ScriptRedis } from "@toril/contract/engine/redis/script";

export interface RedispatchDeps {
  leadership: Pick<Leadership, "run">;
  dispatch(queue: string, jobs: readonly DispatchEntry[]): Promise<unknown>;
  /** Whether the Redis node of the queue has memory left. */
  hasMemory(queue: string): Promise<boolean>;
}

/** Limits the data in memory at once. */
const maxBytes = 4_000_000;

/** A row that another version wrote must not block the re-dispatch of other rows. */
const StoredOptions = z
  .object(JobOptions.shape)
  .catch({ attempts: 3, backoff: { type: "exponential", delay: 1000 } });

interface RedispatchCounts {
  redispatched: number;
  /** Not re-dispatched because Redis is nearly full. */
  postponed: number;
}

/** Re-dispatches jobs of one queue, which must be in id order. */
export type Redispatch = (queue: string, jobs: readonly PendingJob[]) => Promise<RedispatchCounts>;

/** Creates the re-dispatch of jobs that Redis lost, however often. Jobs that have ended meanwhile are skipped. */
export function createRedispatch({ leadership, dispatch, hasMemory }: RedispatchDeps): Redispatch {
  return async (queue, jobs) => {
    let redispatched = 0;
    let rest = jobs;
    while (rest.length > 0 && (await hasMemory(queue))) {
      const next = rest.slice(0, maxEntriesPerCall);
      const rows = await leadership.run((sql) => readJobsToDispatch(sql, next, maxBytes));
      if (rows.length > 0) await dispatch(queue, rows.map(toDispatchEntry));
      redispatched += rows.length;
      const last = rows.at(-1) ?? next.at(-1);
      rest = rest.filter((job) => last !== undefined && job.id > last.id);
    }
    return { redispatched, postponed: rest.length };
  };
}

function toDispatchEntry(job: JobToDispatch): DispatchEntry {
  const known = { ...job, options: StoredOptions.parse(job.options) };
  return {
    bullId: bullId(job.id, job.generation),
    type: job.type,
    data: job.data,
    options: {
      ...toDispatchOptions(known, Date.now()),
      recovered: true,
      ...(job.trace === null ? {} : { traceparent: job.trace }),
    },
  };
}

/** Above this share of maxmemory, the remaining memory is reserved for newly accepted jobs. */
const maxUsedShare = 0.8;

/** Sent as a script, so that a Cluster routes the command to the node that holds the queue. */
const script = `return redis.call("INFO", "memory")`;

/** Whether the Redis node of the queue has memory for re-dispatched jobs. Always true when maxmemory is not set. */
export async function hasMemory(
  redis: ScriptRedis,
  prefix: string,
  queue: string,
): Promise<boolean> {
  const info = String(await redis.eval(script, 1, [queueKeys(prefix, queue).meta]));
  const used = readField(info, "used_memory");
  const limit = readField(info, "maxmemory");
  return limit === 0 || used < maxUsedShare * limit;
}

function readField(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
}

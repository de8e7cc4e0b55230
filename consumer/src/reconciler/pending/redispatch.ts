import { bullId } from "@toril/contract/engine/redis/names";
import { toDispatchOptions } from "@toril/contract/engine/redis/scripts/options";
import {
  maxEntriesPerCall,
  type DispatchEntry,
} from "@toril/contract/engine/redis/scripts/dispatch";
import { JobOptions } from "@toril/contract/api/jobs/job-options";
import { defaultJobOptions } from "@toril/contract/api/job-type";
import { z } from "zod";
import type { Leadership } from "../leadership.ts";
import { type JobToDispatch, type PendingJob, readJobsToDispatch } from "./pending-jobs.ts";
import type { RedisNode } from "../redis-node.ts";

export interface RedispatchDeps {
  leadership: Pick<Leadership, "run">;
  dispatch(queue: string, jobs: readonly DispatchEntry[]): Promise<unknown>;
  /** Reads the Redis node that holds the queue. */
  readNode(queue: string): Promise<RedisNode>;
  /** Applies the stored settings of the queue to Redis. */
  restoreSettings(queue: string): Promise<void>;
}

/** Limits the data in memory at once. */
const maxBytes = 4_000_000;

/** A row that another version wrote must not block the re-dispatch of other rows. */
const StoredOptions = z.object(JobOptions.shape).catch(defaultJobOptions);

interface RedispatchCounts {
  redispatched: number;
  /** Not re-dispatched because Redis is nearly full. */
  postponed: number;
}

/** Re-dispatches jobs of one queue, which must be in id order. */
export type Redispatch = (queue: string, jobs: readonly PendingJob[]) => Promise<RedispatchCounts>;

/** Creates the re-dispatch of jobs that Redis lost, however often. Jobs that have ended meanwhile are skipped. */
export function createRedispatch(deps: RedispatchDeps): Redispatch {
  const { leadership, dispatch, readNode, restoreSettings } = deps;
  /** The node of each queue when its settings were restored. */
  const restored = new Map<string, RedisNode>();

  /** Paused jobs must not start when re-dispatched, and Redis may have lost its data a moment ago. */
  async function restoreIfLost(queue: string, node: RedisNode) {
    const { epoch, runId } = restored.get(queue) ?? {};
    if (epoch === node.epoch && runId === node.runId) return;
    await restoreSettings(queue);
    // The node was read before, so a later loss shows.
    restored.set(queue, node);
  }

  return async (queue, jobs) => {
    let redispatched = 0;
    let rest = jobs;
    while (rest.length > 0) {
      const node = await readNode(queue);
      if (!node.hasMemory) break;
      await restoreIfLost(queue, node);
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
  const now = Date.now();
  // A job waits from its due time on, although Redis lost it in between.
  const timestamp = Math.min(job.readyAt?.getTime() ?? now, now);
  return {
    bullId: bullId(job.id, job.generation),
    type: job.type,
    data: job.data,
    options: {
      ...toDispatchOptions(known, timestamp),
      recovered: true,
      ...(job.trace === null ? {} : { traceparent: job.trace }),
    },
  };
}

import type { StreamRedis } from "@toril/contract/engine/redis/event-stream";
import { bullId, parseBullId, queueKeys } from "@toril/contract/engine/redis/names";
import type { Remove } from "@toril/contract/engine/redis/scripts/remove";
import type { ScriptRedis } from "@toril/contract/engine/redis/scripts/script";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import type { Sql } from "postgres";
import { repeatUntilAborted } from "../../repeat.ts";
import type { Endings, FinishedJob } from "./settle-ended.ts";
import { createFinishEvents, type FinishEvents, isStockFinish } from "./finish-events.ts";
import type { Leadership } from "../leadership.ts";

export interface SettleStockJobsDeps {
  redis: Pick<Redis | Cluster, "zrevrange" | "status"> & StreamRedis & ScriptRedis;
  prefix: string;
  queues(): readonly string[];
  endings: Endings;
  remove: Remove;
  everyMs?: number;
  log: Pick<Logger, "warn">;
}

const pageSize = 200;
const maxSeen = 5000;

/**
 * Settles jobs that stock BullMQ workers finish, while this process is the leader: reads the completed and failed sets
 * and, for workers that remove finished jobs, the event stream: the newest page and, once an event of a stock worker
 * appears, all pages. Entries missed during a change of leader are left to the next leader or the reconciler.
 */
export function createSettleStockJobs(deps: SettleStockJobsDeps) {
  const { redis, prefix, queues, endings, remove, everyMs = 300, log } = deps;

  return async (leadership: Leadership): Promise<void> => {
    const { signal } = leadership;
    /** Entries that stay in a set: dead jobs, and jobs that are not Toril's. */
    const seen = new Set<string>();
    const events = new Map<string, FinishEvents>();
    const queuesWithStockWorkers = new Set<string>();

    /** @returns number of entries removed from the set */
    async function settleFinished(
      queue: string,
      set: "completed" | "failed",
      ids: readonly string[],
    ) {
      const targets = ids.flatMap((id) => parseBullId(id) ?? []);
      if (targets.length === 0) return 0;
      const pending = await leadership.run((sql) => readPending(sql, targets));
      await endings.settle(queue, pending);
      if (set === "failed") return pending.length;
      // Not pending: cancelled while a stock worker ran the job, or left by a leader that died.
      const endedTargets = targets.filter(({ id }) => !pending.some((job) => job.id === id));
      const endedIds = endedTargets.map(({ id, generation }) => bullId(id, generation));
      if (endedIds.length > 0) await remove(queue, endedIds, "settled");
      return targets.length;
    }

    async function settleFinishedSet(queue: string, set: "completed" | "failed") {
      const key = queueKeys(prefix, queue)[set];
      for (let start = 0; !signal.aborted;) {
        const ids = await redis.zrevrange(key, start, start + pageSize - 1);
        const unseen = ids.filter((id) => !seen.has(`${queue} ${id}`));
        const removed = unseen.length === 0 ? 0 : await settleFinished(queue, set, unseen);
        for (const id of unseen) seen.add(`${queue} ${id}`);
        if (ids.length < pageSize || unseen.length === 0) return;
        start += ids.length - removed;
      }
    }

    async function settleFromEvents(queue: string) {
      const source = events.get(queue) ?? createFinishEvents(redis, prefix, queue);
      events.set(queue, source);
      const finishes = await source.read((page) => {
        if (page.some(isStockFinish)) queuesWithStockWorkers.add(queue);
        return !queuesWithStockWorkers.has(queue);
      });
      const entries = [...finishes];
      for (let start = 0; start < entries.length && !signal.aborted; start += pageSize) {
        const part = entries.slice(start, start + pageSize);
        const targets = part.flatMap(([id]) => parseBullId(id) ?? []);
        const pending =
          targets.length > 0 ? await leadership.run((sql) => readPending(sql, targets)) : [];
        const jobs = pending.map((job) => ({
          ...job,
          event: finishes.get(bullId(job.id, job.generation)),
        }));
        await endings.settle(queue, jobs);
        for (const [id] of part) finishes.delete(id);
      }
    }

    function forgetOldest() {
      for (const id of seen) {
        if (seen.size <= maxSeen) break;
        seen.delete(id);
      }
    }

    const failureMessage = "failed to settle jobs that stock workers finished";
    await repeatUntilAborted({ signal, everyMs, log, failureMessage }, async () => {
      forgetOldest();
      if (redis.status !== "ready") return;
      for (const queue of queues()) {
        await settleFinishedSet(queue, "completed");
        await settleFinishedSet(queue, "failed");
        await settleFromEvents(queue);
      }
    });
  };
}

/** Reads those jobs that are pending in the given generation. */
function readPending(sql: Sql, targets: readonly { id: string; generation: number }[]) {
  return sql<FinishedJob[]>`
    select jobs.id, jobs.generation, jobs.tenant, type
    from unnest(
      ${targets.map(({ id }) => id)}::uuid[], ${targets.map(({ generation }) => generation)}::integer[]
    ) as target (id, generation)
    join jobs on jobs.id = target.id and jobs.generation = target.generation
    where jobs.id = any(${targets.map(({ id }) => id)}::uuid[]) and status = 'pending'`;
}

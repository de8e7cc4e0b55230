import { readFileSync } from "node:fs";
import { queueKeys, bullId } from "@toril/contract/engine/redis/names";
import { createScript, type ScriptRedis } from "@toril/contract/engine/redis/scripts/script";
import type { PendingJob } from "./pending-jobs.ts";

/** States of a job in Redis, documented in inspect-jobs.lua. */
type RedisJobState =
  | "missing"
  | "completed"
  | "failed"
  | "held"
  | "listed"
  | "orphaned"
  | "present";

export interface JobInspector {
  /** Returns the state of each job, in order; also searches the lists for the first `closeCount` jobs. */
  getStates(queue: string, ids: readonly string[], listedCount: number): Promise<RedisJobState[]>;
  /** Checks each job again and deletes those that are still orphaned. Returns, per job, whether the job was deleted. */
  removeOrphaned(queue: string, ids: readonly string[]): Promise<boolean[]>;
}

/** About 2 ms of Redis time per call. */
const maxListEntries = 200_000;

export function createJobInspector(redis: ScriptRedis, prefix: string): JobInspector {
  const script = readFileSync(new URL("./inspect-jobs.lua", import.meta.url), "utf8");
  const send = createScript(redis, script);

  async function run(
    queue: string,
    mode: "keep" | "remove",
    ids: readonly string[],
    listedCount: number,
  ) {
    const keys = queueKeys(prefix, queue);
    const sets = [keys.delayed, keys.prioritized, `${keys.base}waiting-children`];
    const lists = [keys.wait, keys.active, keys.paused];
    const args = [keys.base, mode, String(listedCount), String(maxListEntries), ...ids];
    const reply = await send([...lists, ...sets, keys.completed, keys.failed], args);
    return reply as RedisJobState[];
  }

  return {
    getStates: (queue, ids, listedCount) => run(queue, "keep", ids, listedCount),
    async removeOrphaned(queue, ids) {
      const states = await run(queue, "remove", ids, ids.length);
      return states.map((state) => state === "orphaned" || state === "missing");
    },
  };
}

/** Jobs that are missing or finished in Redis, both in id order. */
interface ScanResult {
  missing: PendingJob[];
  finished: PendingJob[];
}

/** One pass over all pending jobs. */
export interface OrphanScan {
  /** @param jobs of one queue, in id order */
  inspect(queue: string, jobs: readonly PendingJob[]): Promise<ScanResult>;
  /** Call when the scan goes on with the oldest jobs: only those are searched for in the lists. */
  restart(): void;
  /** Call only after a complete pass: a job must be orphaned in two complete passes in a row. */
  end(): void;
}

export interface OrphanDetector {
  begin(): OrphanScan;
}

/** Maximum number of the oldest jobs per queue to search for in the lists: a stuck job becomes one of the oldest. */
const maxListedJobs = 100;

/** Deletes a job that is orphaned in two passes in a row from Redis and reports the job as missing. */
export function createOrphanDetector(
  inspector: JobInspector,
  { maxListed = maxListedJobs }: { maxListed?: number } = {},
): OrphanDetector {
  let suspects: ReadonlySet<string> = new Set();

  return {
    begin() {
      const newSuspects = new Set<string>();
      const remainingByQueue = new Map<string, number>();

      async function readStates(queue: string, jobs: readonly PendingJob[]) {
        const remaining = remainingByQueue.get(queue) ?? maxListed;
        const suspected = jobs.filter((job) => suspects.has(toBullId(job)));
        const due = jobs
          .filter((job) => job.isDue && !suspects.has(toBullId(job)))
          .slice(0, remaining);
        const listed = new Set([...suspected, ...due]);
        const sorted = [...listed, ...jobs.filter((job) => !listed.has(job))];
        const states = await inspector.getStates(queue, sorted.map(toBullId), listed.size);
        remainingByQueue.set(
          queue,
          remaining - states.slice(0, listed.size).filter(countsAsListed).length,
        );
        return new Map(sorted.map((job, index) => [job, states[index]]));
      }

      return {
        async inspect(queue, jobs) {
          const states = await readStates(queue, jobs);
          const orphaned = jobs.filter((job) => states.get(job) === "orphaned");
          const confirmed = orphaned.filter((job) => suspects.has(toBullId(job)));
          for (const job of orphaned)
            if (!suspects.has(toBullId(job))) newSuspects.add(toBullId(job));
          const isRemoved =
            confirmed.length > 0
              ? await inspector.removeOrphaned(queue, confirmed.map(toBullId))
              : [];
          const removed = new Set(confirmed.filter((_, index) => isRemoved[index]));
          return {
            missing: jobs.filter((job) => states.get(job) === "missing" || removed.has(job)),
            finished: jobs.filter((job) => isFinished(states.get(job))),
          };
        },
        restart: () => remainingByQueue.clear(),
        end() {
          suspects = newSuspects;
        },
      };
    },
  };
}

function toBullId({ id, generation }: PendingJob) {
  return bullId(id, generation);
}

/** Whether the job has neither a lock nor a score, so that it counts towards `maxListed`. */
function countsAsListed(state: RedisJobState) {
  return state === "listed" || state === "orphaned" || state === "present";
}

function isFinished(state: RedisJobState | undefined) {
  return state === "completed" || state === "failed";
}

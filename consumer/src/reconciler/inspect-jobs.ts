import { readFileSync } from "node:fs";
import { queueKeys } from "@toril/contract/engine/redis/names";
import { createScript, type ScriptRedis } from "@toril/contract/engine/redis/script";

/** States of a job in Redis, documented in inspect-jobs.lua. */
export type RedisJobState =
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
  /** Checks each job again and deletes those that are still orphaned. Returns, per job, whether the job is gone. */
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

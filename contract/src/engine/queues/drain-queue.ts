import { queueKeys } from "../redis/names.ts";
import { createScript, type ScriptRedis } from "../redis/scripts/script.ts";

/** Removes waiting jobs and returns their BullMQ ids; see drain-queue.lua. Rejects with the client's errors. */
export type DrainWaiting = (
  queue: string,
  options: { limit: number; isDelayedToo: boolean },
) => Promise<string[]>;

export const drainScriptUrl: URL = new URL("./drain-queue.lua", import.meta.url);

/**
 * Creates the function that drains a queue.
 * @param settings.script the text of `drainScriptUrl`
 */
export function createDrainWaiting(
  redis: ScriptRedis,
  { prefix, script }: { prefix: string; script: string },
): DrainWaiting {
  const run = createScript(redis, script);
  return async (queue, { limit, isDelayedToo }) => {
    const { base, wait, prioritized, delayed, events } = queueKeys(prefix, queue);
    const args = [base, String(limit), isDelayedToo ? "1" : ""];
    return (await run([wait, prioritized, delayed, events], args)) as string[];
  };
}

import { queueKeys } from "../names.ts";
import { createScript, type ScriptRedis } from "./script.ts";

/** Outcomes, explained in remove.lua. */
export type Removed = "missing" | "active" | "started" | "removed";

/**
 * `ended`: adds an event for removed and missing jobs, because the ledger has ended them.
 * `unstarted`: like `ended`, but keeps jobs that a worker has ever started.
 * `settled`: adds no events, because the worker that finished the jobs has added them.
 */
export type RemoveMode = "any" | "ended" | "unstarted" | "settled";

/**
 * Removes inactive jobs from Redis. Resolves to one outcome per BullMQ id, in order. Rejects with the client's errors.
 */
export type Remove = (
  queue: string,
  ids: readonly string[],
  mode: RemoveMode,
) => Promise<Removed[]>;

export const removeScriptUrl: URL = new URL("./remove.lua", import.meta.url);

/** Bounds one call to about 2 ms. */
const maxListEntries = 200_000;
const maxIdsPerCall = 256;

/**
 * Creates the function that removes jobs from Redis.
 * @param settings.script the text of `removeScriptUrl`
 */
export function createRemove(
  redis: ScriptRedis,
  settings: { prefix: string; script: string },
): Remove {
  const run = createScript(redis, settings.script);
  return async (queue, ids, mode) => {
    const { base, ...named } = queueKeys(settings.prefix, queue);
    const { wait, delayed, prioritized, events, failed, completed } = named;
    const keys = [wait, delayed, prioritized, events, failed, completed];
    const states: Removed[] = [];
    for (let start = 0; start < ids.length; start += maxIdsPerCall) {
      const batch = ids.slice(start, start + maxIdsPerCall);
      const answer = await run(keys, [base, mode, String(maxListEntries), ...batch]);
      states.push(...(answer as Removed[]));
    }
    return states;
  };
}

import { queueKeys } from "./names.ts";
import { createScript, type ScriptRedis } from "./script.ts";

/** See remove.lua. */
export type Removed = "missing" | "active" | "started" | "removed";

/**
 * `ended`: whoever reads the queue's events hears of all of them, because the ledger has ended them.
 * `unstarted`: so it does of those that no worker ever had, and the others stay.
 * `settled`: nobody hears of it again, because the worker that finished them has told.
 */
export type RemoveMode = "any" | "ended" | "unstarted" | "settled";

/** Takes jobs out of Redis that no worker has. One word per BullMQ id, in order. Rejects as the client does. */
export type Remove = (
  queue: string,
  ids: readonly string[],
  mode: RemoveMode,
) => Promise<Removed[]>;

export const removeScriptUrl: URL = new URL("./remove.lua", import.meta.url);

/** About 2 ms of Redis in one call. */
const maxListEntries = 200_000;
const maxIdsPerCall = 256;

/** @param settings.script the text of `removeScriptUrl` */
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
      const some = ids.slice(start, start + maxIdsPerCall);
      const answer = await run(keys, [base, mode, String(maxListEntries), ...some]);
      states.push(...(answer as Removed[]));
    }
    return states;
  };
}

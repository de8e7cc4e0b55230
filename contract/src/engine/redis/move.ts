import { queueKeys } from "./names.ts";
import { createScript, type ScriptRedis } from "./script.ts";

/** See move.lua. */
export type Moved = "missing" | "active" | "waiting" | "unfound" | "moved";

/** What is not given stays as it is. */
export interface Movement {
  bullId: string;
  /** `now`, or a time to come. */
  due?: Date | "now" | undefined;
  /** null: none. */
  priority?: number | null | undefined;
}

/** Moves jobs that no worker has to another time or priority. One word per job, in order. Rejects as the client does. */
export type Move = (queue: string, movements: readonly Movement[]) => Promise<Moved[]>;

export const moveScriptUrl: URL = new URL("./move.lua", import.meta.url);

/** About 2 ms of Redis in one call. */
const maxListEntries = 200_000;
const maxIdsPerCall = 256;

/** @param settings.script the text of `moveScriptUrl` */
export function createMove(redis: ScriptRedis, settings: { prefix: string; script: string }): Move {
  const run = createScript(redis, settings.script);
  return async (queue, movements) => {
    const { base, ...named } = queueKeys(settings.prefix, queue);
    const { wait, active, delayed, prioritized, marker, meta, pc, events } = named;
    const keys = [wait, active, delayed, prioritized, marker, meta, pc, events];
    const states: Moved[] = [];
    for (let start = 0; start < movements.length; start += maxIdsPerCall) {
      const some = movements.slice(start, start + maxIdsPerCall);
      const args = [base, String(Date.now()), String(maxListEntries), ...some.flatMap(encode)];
      states.push(...((await run(keys, args)) as Moved[]));
    }
    return states;
  };
}

function encode({ bullId, due, priority }: Movement): string[] {
  const dueText = due === "now" ? "0" : (due?.getTime().toString() ?? "");
  return [bullId, dueText, priority === undefined ? "" : String(priority ?? 0)];
}

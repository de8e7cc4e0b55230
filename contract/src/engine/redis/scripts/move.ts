import { queueKeys } from "../names.ts";
import { createScript, type ScriptRedis } from "./script.ts";

/** Outcomes, explained in move.lua. */
export type Moved = "missing" | "active" | "waiting" | "not-found" | "moved";

/** Undefined fields stay unchanged. */
export interface Movement {
  bullId: string;
  /** `now` or a future time. */
  due?: Date | "now" | undefined;
  /** null: no priority. */
  priority?: number | null | undefined;
}

/**
 * Changes the due time or priority of inactive jobs. Resolves to one outcome per job, in order. Rejects with the
 * client's errors.
 */
export type Move = (queue: string, movements: readonly Movement[]) => Promise<Moved[]>;

export const moveScriptUrl: URL = new URL("./move.lua", import.meta.url);

/** Bounds one call to about 2 ms. */
const maxListEntries = 200_000;
const maxIdsPerCall = 256;

/**
 * Creates the function that moves jobs in Redis.
 * @param settings.script the text of `moveScriptUrl`
 */
export function createMove(redis: ScriptRedis, settings: { prefix: string; script: string }): Move {
  const run = createScript(redis, settings.script);
  return async (queue, movements) => {
    const { base, ...named } = queueKeys(settings.prefix, queue);
    const { wait, active, delayed, prioritized, marker, meta, pc, events } = named;
    const keys = [wait, active, delayed, prioritized, marker, meta, pc, events];
    const states: Moved[] = [];
    for (let start = 0; start < movements.length; start += maxIdsPerCall) {
      const batch = movements.slice(start, start + maxIdsPerCall);
      const args = [base, String(Date.now()), String(maxListEntries), ...batch.flatMap(encode)];
      states.push(...((await run(keys, args)) as Moved[]));
    }
    return states;
  };
}

function encode({ bullId, due, priority }: Movement): string[] {
  const dueText = due === "now" ? "0" : (due?.getTime().toString() ?? "");
  return [bullId, dueText, priority === undefined ? "" : String(priority ?? 0)];
}

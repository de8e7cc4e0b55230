import { setTimeout as sleep } from "node:timers/promises";
import type { Handler } from "../handler.ts";

export function createEcho(): Handler<"echo"> {
  return async ({ message, sleepMs = 0, failures = 0 }, { attempt, signal }) => {
    if (sleepMs > 0) await sleep(sleepMs, undefined, { signal });
    if (attempt <= failures) throw new Error(`failed as asked, run ${attempt} of ${failures}`);
    return { message };
  };
}

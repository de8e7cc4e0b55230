import { setTimeout as sleep } from "node:timers/promises";
import type { echo } from "@toril/contract/api/job-types/echo";
import type { Handler } from "../worker/handler.ts";

export function createEcho(): Handler<typeof echo> {
  return async ({ message, sleepMs = 0, failures = 0 }, context) => {
    if (sleepMs > 0) await sleep(sleepMs, undefined, { signal: context.signal });
    if (context.attempt <= failures) {
      throw new Error(`failed as asked, run ${context.attempt} of ${failures}`);
    }
    return { message };
  };
}

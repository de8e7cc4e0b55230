import type { AreMalformed } from "@toril/contract/engine/redis/queue-settings";
import type { Logger } from "pino";
import { pause } from "../worker/pause.ts";

export interface KeepSettingsDeps {
  queues: readonly string[];
  areMalformed: AreMalformed;
  /** Makes Redis obey the ledger. */
  restore(queue: string): Promise<void>;
  everyMs?: number;
  log: Pick<Logger, "warn">;
}

/** Restores settings of a queue that Redis has in a form no worker understands: until then none of its jobs starts. */
export function keepSettings(deps: KeepSettingsDeps): AsyncDisposable {
  const { queues, areMalformed, restore, everyMs = 1000, log } = deps;
  const stop = new AbortController();

  async function look(queue: string) {
    try {
      if (!(await areMalformed(queue))) return;
      await restore(queue);
      log.warn({ queue }, "restored malformed settings of a queue in Redis");
    } catch {
      // A store is unavailable, which others tell of: the next look restores them.
    }
  }

  async function run() {
    while (!stop.signal.aborted) {
      await Promise.all(queues.map(look));
      await pause(everyMs, stop.signal);
    }
  }

  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

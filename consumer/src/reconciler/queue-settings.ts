import type { ApplySettings, AreMalformed } from "@toril/contract/engine/queues/queue-settings";
import { enforceQueueSettings, listSetQueues } from "@toril/contract/engine/queues/settings-ledger";
import type { Logger } from "pino";
import type { Leadership } from "./leadership.ts";
import { sleep } from "../wait.ts";

export interface RestoreSettingsDeps {
  leadership: Leadership;
  apply: ApplySettings;
  log: Pick<Logger, "warn">;
}

/** Applies the stored settings of every queue to Redis, which may have lost them. */
export async function restoreSettings({
  leadership,
  apply,
  log,
}: RestoreSettingsDeps): Promise<void> {
  for (const queue of await leadership.run(listSetQueues)) {
    await leadership.run((sql) =>
      enforceQueueSettings(sql, queue, (settings) =>
        apply(settings).catch((error: unknown) => {
          log.warn({ err: error, queue }, "failed to apply queue settings to Redis");
        }),
      ),
    );
  }
}

export interface QueueSettingsWatchDeps {
  queues(): readonly string[];
  areMalformed: AreMalformed;
  /** Applies the settings of the ledger to Redis. */
  restore(queue: string): Promise<void>;
  everyMs?: number;
  log: Pick<Logger, "warn">;
}

/** Restores queue settings that are malformed in Redis: malformed settings keep every worker from starting jobs. */
export function watchQueueSettings(deps: QueueSettingsWatchDeps): AsyncDisposable {
  const { queues, areMalformed, restore, everyMs = 1000, log } = deps;
  const stop = new AbortController();

  async function check(queue: string) {
    try {
      if (!(await areMalformed(queue))) return;
      await restore(queue);
      log.warn({ queue }, "restored malformed settings of a queue in Redis");
    } catch {
      // A store is unavailable, which other parts log; the next check restores the settings.
    }
  }

  async function run() {
    while (!stop.signal.aborted) {
      await Promise.all(queues().map(check));
      await sleep(everyMs, stop.signal);
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

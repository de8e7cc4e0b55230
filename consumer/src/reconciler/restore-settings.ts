import type { ApplySettings } from "@toril/contract/engine/redis/queue-settings";
import { enforceQueueSettings, listSetQueues } from "@toril/contract/engine/queues/settings-ledger";
import type { Logger } from "pino";
import type { Leadership } from "./leadership.ts";

export interface RestoreDeps {
  leadership: Leadership;
  apply: ApplySettings;
  log: Pick<Logger, "warn">;
}

/** Applies the stored settings of every queue to Redis, which may have lost them. */
export async function restoreSettings({ leadership, apply, log }: RestoreDeps): Promise<void> {
  for (const queue of await leadership.run(listSetQueues)) {
    await leadership.run((sql) =>
      enforceQueueSettings(sql, queue, (settings) =>
        apply(settings).catch((error: unknown) => {
          log.warn({ err: error, queue }, "Redis was not told what is set for a queue");
        }),
      ),
    );
  }
}

import type { ApplySettings } from "@toril/contract/dispatch/queue-settings";
import type { Ledger } from "@toril/contract/ledger/pool";
import {
  changeQueueSettings,
  enforceQueueSettings,
  readQueueSettings,
} from "@toril/contract/ledger/queue-settings";
import type { QueueChange, QueueSettings } from "@toril/contract/queue";
import type { Logger } from "pino";
import type { AuditTrail } from "./audit.ts";

export interface Changed {
  settings: QueueSettings;
  /** Otherwise Redis is away, and the reconciler tells it. */
  isInForce: boolean;
}

export interface QueueControl {
  change(
    queue: string,
    change: QueueChange & { paused?: boolean },
    trail: AuditTrail,
  ): Promise<Changed>;
}

export function createQueueControl(
  ledger: Ledger,
  apply: ApplySettings,
  log: Pick<Logger, "warn">,
): QueueControl {
  async function enforce(queue: string) {
    let isAway = false;
    const tell: ApplySettings = (settings) =>
      apply(settings).catch((error: unknown) => {
        isAway = true;
        log.warn({ err: error, queue }, "Redis was not told what is set for a queue");
      });
    await ledger.run((sql) => enforceQueueSettings(sql, queue, tell));
    return !isAway;
  }

  return {
    async change(queue, change, trail) {
      await ledger.run((sql) => changeQueueSettings(sql, queue, change, (tx) => trail.done(tx)));
      const isInForce = await enforce(queue);
      return { settings: await ledger.run((sql) => readQueueSettings(sql, queue)), isInForce };
    },
  };
}

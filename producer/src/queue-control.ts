import type { ApplySettings } from "@toril/contract/dispatch/queue-settings";
import type { Ledger } from "@toril/contract/ledger/pool";
import {
  changeQueueSettings,
  enforceQueueSettings,
  readQueueSettings,
} from "@toril/contract/ledger/queue-settings";
import type { QueueChange, QueueSettings } from "@toril/contract/queue";
import type { Logger } from "pino";
import type { ISql } from "postgres";
import type { AuditTrail } from "./audit.ts";
import type { KeepResponse } from "./keep-response.ts";

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
    /** Stores the response in the transaction of the change. */
    keep?: KeepResponse,
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
    async change(queue, change, trail, keep) {
      const note = async (tx: ISql) => {
        // Whether Redis obeys is not known yet.
        await keep?.(tx, { status: 202, answer: await readQueueSettings(tx, queue) });
        await trail.done(tx);
      };
      await ledger.run((sql) => changeQueueSettings(sql, queue, change, note));
      const isInForce = await enforce(queue);
      return { settings: await ledger.run((sql) => readQueueSettings(sql, queue)), isInForce };
    },
  };
}

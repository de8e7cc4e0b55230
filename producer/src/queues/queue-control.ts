import type { ApplySettings } from "@toril/contract/engine/queues/queue-settings";
import {
  changeQueueSettings,
  enforceQueueSettings,
  readQueueSettings,
} from "@toril/contract/engine/queues/settings-ledger";
import type { QueueChange, QueueSettings } from "@toril/contract/api/queue";
import type { Logger } from "pino";
import type { ISql } from "postgres";
import type { AuditTrail } from "../audit/audit.ts";
import type { StoreEarlyResponse } from "../http/request-context.ts";
import type { TenantLedger } from "../stores/postgres.ts";

export interface ChangedQueue {
  settings: QueueSettings;
  /** False if Redis is unavailable; the reconciler then applies the settings. */
  isApplied: boolean;
}

export interface QueueControl {
  change(
    tenant: string,
    queue: string,
    change: QueueChange & { paused?: boolean },
    trail: AuditTrail,
    /** Stores the response in the transaction of the change. */
    storeResponse?: StoreEarlyResponse,
  ): Promise<ChangedQueue>;
}

export function createQueueControl(
  ledger: TenantLedger,
  apply: ApplySettings,
  log: Pick<Logger, "warn">,
): QueueControl {
  async function applySettings(tenant: string, queue: string) {
    let isUnavailable = false;
    const tryApply: ApplySettings = (settings) =>
      apply(settings).catch((error: unknown) => {
        isUnavailable = true;
        log.warn({ err: error, queue }, "failed to apply queue settings to Redis");
      });
    await ledger.run(tenant, (sql) => enforceQueueSettings(sql, queue, tryApply));
    return !isUnavailable;
  }

  return {
    async change(tenant, queue, change, trail, storeResponse) {
      const storeResponseAndAudit = async (tx: ISql) => {
        // Whether Redis applies the settings is not known yet.
        await storeResponse?.(tx, { status: 202, body: await readQueueSettings(tx, queue) });
        await trail.done(tx);
      };
      await ledger.run(tenant, (sql) =>
        changeQueueSettings(sql, queue, change, storeResponseAndAudit),
      );
      const isApplied = await applySettings(tenant, queue);
      return {
        settings: await ledger.run(tenant, (sql) => readQueueSettings(sql, queue)),
        isApplied,
      };
    },
  };
}

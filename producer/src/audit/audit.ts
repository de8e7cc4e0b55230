import type { ISql } from "postgres";
import type { Logger } from "pino";
import { appendAudit } from "@toril/contract/engine/audit/append-audit";
import type { AuditRow, NewAuditEntry } from "@toril/contract/api/access/audit-entry";
import type { TenantLedger } from "../stores/postgres.ts";

/** Audit trail of one administrative request that may change something. */
export interface AuditTrail {
  /** Appends the audit entry in the transaction of the change, so that both commit or neither does. */
  done(tx: ISql, target?: string): Promise<void>;
  /**
   * Call after the response is built. Appends the entry of a request that failed or changed something outside Postgres.
   */
  end(outcome: string): Promise<void>;
  /** Call if the request changes nothing, whether it succeeds or fails: no entry is appended. */
  changesNothing(): void;
}

export type AuditedRequest = Omit<NewAuditEntry, "outcome">;

export interface Audit {
  begin(request: AuditedRequest): AuditTrail;
}

export function createAudit(ledger: TenantLedger, log: Logger): Audit {
  return {
    begin(request) {
      let added: AuditRow | undefined;
      let isChange = true;

      return {
        async done(tx, target = request.target) {
          added = await appendAudit(tx, { ...request, target, outcome: "done" });
        },
        changesNothing() {
          isChange = false;
        },
        async end(outcome) {
          if (!isChange) return;
          try {
            // A change that ended with a problem may have been rolled back together with its audit entry.
            if (added === undefined || outcome !== "done") {
              const entry = { ...request, outcome };
              added = await ledger.run(request.tenant, (sql) =>
                sql.begin((tx) => appendAudit(tx, entry)),
              );
            }
            const { seq, hash } = added;
            log.info({ requestId: request.requestId, seq, hash }, "audited");
          } catch (error) {
            log.error({ err: error, ...request, outcome }, "not audited");
          }
        },
      };
    },
  };
}

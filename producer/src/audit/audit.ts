import type { ISql } from "postgres";
import type { Logger } from "pino";
import { appendAudit } from "@toril/contract/engine/audit/append-audit";
import type { AuditEntry, AuditRow } from "@toril/contract/api/access/audit-entry";
import type { TenantLedger } from "../stores/postgres.ts";

/** Audit trail of one administrative request that may change something. */
export interface AuditTrail {
  /** Appends the audit entry in the transaction of the change, so that both commit or neither does. */
  done(tx: ISql, target?: string): Promise<void>;
  /**
   * Call after the response is built. Appends the entry of a request that failed or changed something outside Postgres.
   */
  end(outcome: string): Promise<void>;
}

export type AuditedRequest = Omit<AuditEntry, "outcome">;

export interface Audit {
  begin(request: AuditedRequest): AuditTrail;
}

export function createAudit(ledger: TenantLedger, log: Logger): Audit {
  return {
    begin(request) {
      let added: AuditRow | undefined;

      return {
        async done(tx, target = request.target) {
          added = await appendAudit(tx, { ...request, target, outcome: "done" });
        },
        async end(outcome) {
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

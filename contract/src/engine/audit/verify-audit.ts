import type { AuditHeadColumns } from "../postgres/tables.ts";
import type { ISql, Sql } from "postgres";
import { type AuditRow, firstPrevious, hashAuditRow } from "../../api/access/audit-entry.ts";
import { readAudit } from "./read-audit.ts";

/** The last entry of a log and its hash. A stored head detects later changes of any entry up to `seq`. */
export type AuditHead = Pick<AuditHeadColumns, "seq" | "hash">;

export type AuditVerification =
  | { status: "whole"; head: AuditHead }
  /** The log was altered at or after `seq`. */
  | { status: "broken"; seq: number; detail: string };

const pageSize = 1000;

/**
 * Verifies the whole audit log by recomputing every hash.
 * @param known heads recorded earlier, stored out of reach of anyone who can change the log
 */
export function verifyAudit(
  sql: Sql,
  known: readonly AuditHead[] = [],
): Promise<AuditVerification> {
  // One snapshot, because the log may grow during verification.
  return sql.begin(
    "isolation level repeatable read read only",
    async (tx): Promise<AuditVerification> => {
      const wanted = new Map(known.map(({ seq, hash }) => [seq, hash]));
      let head: AuditHead = { seq: 0, hash: firstPrevious };
      for (let page = await next(tx, head); page.length > 0; page = await next(tx, head)) {
        for (const row of page) {
          const detail = await findFault(row, head, wanted.get(row.seq));
          if (detail !== undefined) return broken(head.seq + 1, detail);
          head = { seq: row.seq, hash: row.hash };
        }
      }
      const [noted] = await tx<AuditHead[]>`select seq, hash from audit_head`;
      if (noted?.seq !== head.seq || noted.hash !== head.hash) {
        return broken(
          head.seq,
          `The last entry is ${head.seq}, but the recorded head is ${noted?.seq ?? "missing"}.`,
        );
      }
      const lost = known.find(({ seq }) => seq > head.seq);
      if (lost !== undefined) {
        return broken(head.seq, `The last entry is ${head.seq}; entry ${lost.seq} is missing.`);
      }
      return { status: "whole", head };
    },
  );
}

function next(tx: ISql, { seq }: AuditHead) {
  return readAudit(tx, { after: seq, limit: pageSize });
}

async function findFault(
  row: AuditRow,
  before: AuditHead,
  known: string | undefined,
): Promise<string | undefined> {
  if (row.seq !== before.seq + 1) return `After ${before.seq} comes ${row.seq}.`;
  if (row.previous !== before.hash) return `Entry ${row.seq} does not follow the one before it.`;
  if (row.hash !== (await hashAuditRow(row))) return `Entry ${row.seq} was changed.`;
  if (known !== undefined && known !== row.hash) return `Entry ${row.seq} was another once.`;
  return undefined;
}

function broken(seq: number, detail: string): AuditVerification {
  return { status: "broken", seq, detail };
}

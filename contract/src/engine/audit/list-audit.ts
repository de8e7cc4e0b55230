import type { ISql } from "postgres";
import type { AuditEntry } from "../../api/access/audit-entry.ts";
import type { AuditLogColumns } from "../postgres/tables.ts";

export interface AuditFilter {
  tenant: string;
  actor?: string | undefined;
  action?: string | undefined;
  /** A path; paths below it match, too. */
  target?: string | undefined;
  /** Inclusive. */
  after?: Date | undefined;
  /** Exclusive. */
  before?: Date | undefined;
  /** The last entry of the previous page. */
  cursor?: AuditPosition | undefined;
  limit: number;
}

/** The position of an entry among those of its tenant. */
export interface AuditPosition {
  at: Date;
  seq: number;
}

/** A filter by actor, action or target looks at no more entries than these for one page. */
const maxExamined = 5000;

/** Lists the entries of a tenant, newest first. A filtered page may be short although more results exist. */
export async function listAudit(
  sql: ISql,
  filter: AuditFilter,
): Promise<{ items: AuditEntry[]; next: AuditPosition | undefined }> {
  const { tenant, actor, action, target, after, before, cursor, limit } = filter;
  const range = sql`
    tenant = ${tenant}
    ${after === undefined ? sql`` : sql`and at >= ${after}`}
    ${before === undefined ? sql`` : sql`and at < ${before}`}
    ${cursor === undefined ? sql`` : sql`and (at, seq) < (${cursor.at}, ${cursor.seq})`}`;
  const isFiltered = (actor ?? action ?? target) !== undefined;
  const [end] = isFiltered
    ? await sql<AuditPosition[]>`
        select at, seq from audit_log where ${range} order by at desc, seq desc offset ${maxExamined - 1} limit 1`
    : [];
  const rows = await sql<Omit<AuditLogColumns, "previous">[]>`
    select seq, at, actor, tenant, action, target, address, request_id as "requestId", outcome, hash from audit_log
    where ${range}
      ${end === undefined ? sql`` : sql`and (at, seq) >= (${end.at}, ${end.seq})`}
      ${actor === undefined ? sql`` : sql`and actor = ${actor}`}
      ${action === undefined ? sql`` : sql`and action = ${action}`}
      ${target === undefined ? sql`` : sql`and (target = ${target} or starts_with(target, ${`${target}/`}))`}
    order by at desc, seq desc limit ${limit + 1}`;
  const shown = rows.slice(0, limit);
  return {
    items: shown.map((row) => ({ ...row, at: row.at.toISOString() })),
    next: rows.length > limit ? shown.at(-1) : end,
  };
}

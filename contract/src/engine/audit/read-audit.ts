import type { AuditLogColumns } from "../postgres/tables.ts";
import type { ISql } from "postgres";
import type { AuditRow } from "../../api/access/audit-entry.ts";

/** Reads audit entries after `page.after`, oldest first. */
export async function readAudit(
  sql: ISql,
  page: { after: number; limit: number },
): Promise<AuditRow[]> {
  const rows = await sql<AuditLogColumns[]>`
    select ${columns(sql)} from audit_log where seq > ${page.after} order by seq limit ${page.limit}`;
  return rows.map(toRow);
}

/** Reads the newest audit entries, newest first. */
export async function readNewestAudit(sql: ISql, limit: number): Promise<AuditRow[]> {
  const rows = await sql<AuditLogColumns[]>`
    select ${columns(sql)} from audit_log order by seq desc limit ${limit}`;
  return rows.map(toRow);
}

function columns(sql: ISql) {
  return sql`
    seq, at, actor, tenant, action, target, address, request_id as "requestId", outcome, previous, hash`;
}

function toRow(row: AuditLogColumns): AuditRow {
  return { ...row, at: row.at.toISOString() };
}

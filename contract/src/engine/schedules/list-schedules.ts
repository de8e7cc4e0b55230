import type { ISql } from "postgres";
import { limits } from "../../api/limits.ts";
import { scheduleColumns, type ScheduleRow } from "./schedule-ledger.ts";

export interface ScheduleFilter {
  tenant: string;
  /** Only names after this one. */
  after: string | undefined;
  /** Only schedules with jobs of these types. */
  types: readonly string[] | undefined;
  limit: number;
}

export interface SchedulePage {
  rows: ScheduleRow[];
  isLast: boolean;
}

/**
 * Lists schedules by name, at most `limit`, and as many as fit into `limits.pageBytes`. Reads one definition beyond the
 * page.
 */
export async function listSchedules(
  sql: ISql,
  { tenant, after = "", types, limit }: ScheduleFilter,
): Promise<SchedulePage> {
  const found = await sql<(ScheduleRow & { isOnPage: boolean })[]>`
    with recursive page (at, name, bytes_before, bytes) as (
      select 0, ${after}::text, 0, 0
      union all
      select page.at + 1, found.name, page.bytes_before + page.bytes, found.bytes
      from page cross join lateral (
        select name, octet_length(definition::text) as bytes from schedules
        where tenant = ${tenant} and name > page.name
          ${types === undefined ? sql`` : sql`and type = any(${[...types]}::text[])`}
        order by name limit 1
      ) as found
      where page.at <= ${limit} and page.bytes_before < ${limits.pageBytes}
    )
    select ${scheduleColumns(sql)}, at <= ${limit} and bytes_before < ${limits.pageBytes} as "isOnPage"
    from page join schedules using (name)
    where at > 0 and tenant = ${tenant} order by name`;
  const rows = found.filter(({ isOnPage }) => isOnPage);
  return { rows, isLast: rows.length === found.length };
}

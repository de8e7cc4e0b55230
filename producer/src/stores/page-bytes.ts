import { limits } from "@toril/contract/api/limits";
import type { ISql } from "postgres";

export interface PageRequest {
  tenant: string;
  ids: readonly string[];
  /** Columns whose size counts. */
  sized: readonly string[];
}

/**
 * Returns a common table expression `page (at, id, bytes)` for `with recursive`, with as many of the ids, in order, as
 * fit into a page. It reads rows one by one and none beyond the limit, because large values are compressed and have to
 * be read to know their size.
 */
export function selectPage(sql: ISql, { tenant, ids, sized }: PageRequest) {
  const sizes = sized.map((column) => sql`+ coalesce(octet_length(jobs.${sql(column)}::text), 0)`);
  return sql`
    page (at, id, bytes) as (
      select 0, null::uuid, 0
      union all
      select page.at + 1, requested.id, page.bytes + coalesce(job.bytes, 0)
      from page
      cross join lateral (select (${[...ids]}::uuid[])[page.at + 1] as id) as requested
      left join lateral (
        select 0 ${sizes} as bytes from jobs where jobs.id = requested.id and jobs.tenant = ${tenant}
      ) as job on true
      where page.at < ${ids.length} and page.bytes < ${limits.pageBytes}
    )`;
}

import type { ISql } from "postgres";

/** What the JSON of a page may take in the response, beside its last item. */
const maxPageBytes = 4_000_000;

export interface PageRequest {
  tenant: string;
  ids: readonly string[];
  /** Columns of jobs whose size counts. */
  sized: readonly string[];
}

/**
 * A common table expression `page (at, id, bytes)` for `with recursive`: of these ids as many, in their order, as fit
 * into a page. It reads one row after the other, and none beyond the limit, because large values are stored compressed:
 * their size is known only when they are read.
 */
export function pageOf(sql: ISql, { tenant, ids, sized }: PageRequest) {
  const sizes = sized.map((column) => sql`+ coalesce(octet_length(jobs.${sql(column)}::text), 0)`);
  return sql`
    page (at, id, bytes) as (
      select 0, null::uuid, 0
      union all
      select page.at + 1, asked.id, page.bytes + coalesce(found.bytes, 0)
      from page
      cross join lateral (select (${[...ids]}::uuid[])[page.at + 1] as id) as asked
      left join lateral (
        select 0 ${sizes} as bytes from jobs where jobs.id = asked.id and jobs.tenant = ${tenant}
      ) as found on true
      where page.at < ${ids.length} and page.bytes < ${maxPageBytes}
    )`;
}

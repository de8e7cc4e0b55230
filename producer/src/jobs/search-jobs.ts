import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import type { ISql } from "postgres";
import type { Reads } from "../stores/reads.ts";
import { type JobFilter, type Source, toSources } from "./search-sources.ts";

export interface JobIdPage {
  ids: string[];
  /** The next page starts after the job with this id; undefined on the last page. */
  next: string | undefined;
}

export interface JobSearch {
  /**
   * Finds jobs, newest first.
   * @param before finds only jobs older than the job with this id
   */
  find(filter: JobFilter, before: string | undefined, limit: number): Promise<JobIdPage>;
}

const highest = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Creates the search. The cost of a page depends on the page, not on the number of jobs. */
export function createJobSearch(jobTypes: JobTypeRegistry, reads: Reads): JobSearch {
  return {
    find: (filter, before, limit) =>
      reads.scan(filter.tenant, (pool) =>
        pool.begin("read only", async (sql) => {
          const { createdAfter, createdBefore } = filter;
          const span = {
            start: createdAfter ? getFirstId(createdAfter) : lowestId,
            end: getLower(before ?? highest, createdBefore ? getFirstId(createdBefore) : highest),
          };
          // One more than requested shows whether there is a next page.
          const sources = toSources(sql, filter, span, jobTypes.forTenant(filter.tenant).getTypes);
          const [, { ids, floor }] = await Promise.all([
            indexScanOnly(sql),
            readSources(sql, sources, limit + 1),
          ]);
          return { ids: ids.slice(0, limit), next: ids.length > limit ? ids[limit - 1] : floor };
        }),
      ),
  };
}

/** Merges the ids of all sources down to the highest floor, in one statement and so in one snapshot. */
async function readSources(sql: ISql, sources: readonly Source[], limit: number) {
  const sourceQueries = sources.map(({ ids, floor }, at) => {
    // A source that fills the page does not reach its floor.
    const isFull = sql<[]>`(select count(*) = ${limit} from found)`;
    return sql<[]>`
      ${at === 0 ? sql`` : sql`union all`} (
        with found as materialized (${ids(sql<[]>`limit ${limit}`)})
        select id, false as "isFloor" from found ${floor ? sql`union all (${floor(isFull)})` : sql``}
      )`;
  });
  const entries = await sql<
    (Pick<JobColumns, "id"> & { isFloor: boolean })[]
  >`${sourceQueries} order by id desc`;
  const floor = entries.find(({ isFloor }) => isFloor)?.id;
  const ids = entries.flatMap(({ id, isFloor }) =>
    isFloor || (floor !== undefined && id < floor) ? [] : [id],
  );
  return { ids: ids.slice(0, limit), floor };
}

function getLower(first: string, second: string) {
  return first < second ? first : second;
}

/** Returns the lowest UUIDv7 of a time. */
function getFirstId(time: Date): string {
  const ms = Math.max(0, time.getTime()).toString(16).padStart(12, "0");
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7000-8000-000000000000`;
}

const indexScanParameters = {
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_sort: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  plan_cache_mode: "force_generic_plan",
  jit: "off",
};

/**
 * Restricts the transaction to index scans. A limit and the order of an index bound what these statements read; with
 * statistics of a small or skewed table, the planner might choose a plan that reads far more.
 */
export async function indexScanOnly(sql: ISql): Promise<void> {
  await sql`select set_config(key, value, true) from jsonb_each_text(${sql.json(indexScanParameters)})`;
}

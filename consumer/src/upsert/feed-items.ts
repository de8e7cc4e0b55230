import type { FeedItemColumns } from "@toril/contract/engine/postgres/tables";
import type { JobData, JobResult } from "@toril/contract/api/job-type";
import type { feedItem } from "@toril/contract/api/job-types/feed-item";
import { createUpsert, type UpsertDeps } from "./upsert.ts";

export type FeedItem = JobData<typeof feedItem>;
export type FeedItemOutcome = JobResult<typeof feedItem>["outcome"];
/** @param jobId the item is stored for the tenant of this job */
export type UpsertFeedItem = (jobId: string, item: FeedItem) => Promise<FeedItemOutcome>;

interface Encoded {
  jobId: string;
  source: string;
  guid: string;
  /** JSON text. */
  item: string;
}

export function createUpsertFeedItem(deps: UpsertDeps): UpsertFeedItem {
  const upsert = createUpsert<Encoded, FeedItemOutcome>(deps, {
    toKey,
    getBytes: ({ item }) => item.length,
    async write(sql, rows) {
      const jobIds = rows.map((row) => row.jobId);
      // xmax is 0 only for an inserted row, which was never locked.
      const written = await sql<(Pick<FeedItemColumns, "source" | "guid"> & { isNew: boolean })[]>`
        insert into feed_items (tenant, source, guid, item)
        select jobs.tenant, source, guid, item
        from unnest(
          ${jobIds}::uuid[], ${rows.map((row) => row.source)}::text[],
          ${rows.map((row) => row.guid)}::text[], ${rows.map((row) => row.item)}::text[]::jsonb[]
        ) as input (job_id, source, guid, item) join jobs on jobs.id = job_id
        where jobs.id = any(${jobIds}::uuid[])
        on conflict (tenant, source, guid) do update set item = excluded.item, changed_at = now()
        where feed_items.item is distinct from excluded.item
        returning source, guid, xmax = 0 as "isNew"`;
      const outcomes = new Map<string, FeedItemOutcome>(
        written.map((row) => [toKey(row), row.isNew ? "new" : "changed"]),
      );
      return rows.map((row) => outcomes.get(toKey(row)) ?? "same");
    },
  });
  return (jobId, item) => {
    const { source, guid } = item;
    return upsert({ jobId, source, guid, item: JSON.stringify(item) });
  };
}

/** Without the tenant: items of two tenants with the same key are written in separate statements. */
function toKey({ source, guid }: { source: string; guid: string }) {
  return JSON.stringify([source, guid]);
}

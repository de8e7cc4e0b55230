import type { Feed } from "@toril/contract/api/feeds/feed";
import type { FeedColumns } from "@toril/contract/engine/postgres/tables";
import type { ISql } from "postgres";
import type { Reads } from "../stores/reads.ts";

/** A feed of a tenant: a URL under the name of a source. */
export interface FeedIdentity {
  tenant: string;
  source: string;
  url: string;
}

/** Position in the list of a tenant's feeds. */
export interface FeedPosition {
  source: string;
  /** MD5 of the URL. */
  hash: string;
}

export type FeedRow = Omit<
  FeedColumns,
  "tenant" | "finalUrl" | "etag" | "lastModified" | "fetches" | "endedFetch" | "createdAt"
> & {
  hash: string;
  nextFetchAt: Date | null;
};

export interface FeedLedger {
  /** Ordered by source. */
  list(tenant: string, after: FeedPosition | undefined, limit: number): Promise<FeedRow[]>;
  isKnown(feed: FeedIdentity): Promise<boolean>;
}

export function createFeedLedger(reads: Reads): FeedLedger {
  return {
    list: (tenant, after, limit) =>
      reads.run(
        tenant,
        (sql) => sql<FeedRow[]>`
          with page as (
            select *, md5(url) as hash from feeds
            where tenant = ${tenant}
              ${after ? sql`and (source, md5(url)) > (${after.source}, ${after.hash})` : sql``}
            order by source, md5(url) limit ${limit}
          ), polled as (
            select definition->'job'->'data'->>'url' as url,
              coalesce(
                definition->'job'->'data'->>'source', definition->'job'->'data'->>'url'
              ) as source,
              min(next_at) as at
            from schedules
            where tenant = ${tenant} and type = 'feed.fetch' and next_at is not null
            group by 1, 2
          )
          select source, url, hash, status, failures, moved_to as "movedTo",
            last_error as "lastError", fetched_at as "fetchedAt", new_items as "newItems",
            changed_items as "changedItems", ended_at as "endedAt", not_before as "notBefore",
            polled.at as "nextFetchAt"
          from page left join polled using (source, url)
          order by source, hash`,
      ),
    isKnown: ({ tenant, source, url }) =>
      reads.run(tenant, async (sql) => {
        const rows = await sql`
          select from feeds
          where tenant = ${tenant} and source = ${source} and md5(url) = md5(${url})`;
        return rows.length > 0;
      }),
  };
}

/** Lets the next job fetch a feed whose polling ended or whose server asked to wait. */
export async function resumeFeed(sql: ISql, { tenant, source, url }: FeedIdentity): Promise<void> {
  await sql`
    update feeds set ended_at = null, not_before = null
    where tenant = ${tenant} and source = ${source} and md5(url) = md5(${url})`;
}

export function toFeed(row: FeedRow): Feed {
  const { source, url, movedTo, failures, fetchedAt, status, lastError } = row;
  return {
    source,
    url,
    movedTo,
    lastFetch: fetchedAt && {
      endedAt: fetchedAt.toISOString(),
      status,
      error: lastError,
      new: row.newItems,
      changed: row.changedItems,
    },
    failures,
    endedAt: row.endedAt?.toISOString() ?? null,
    notBefore: row.notBefore?.toISOString() ?? null,
    nextFetchAt: row.nextFetchAt?.toISOString() ?? null,
  };
}

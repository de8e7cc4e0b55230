import type { DataOf, ResultOf } from "@toril/contract/jobs";
import { createUpsert, type UpsertDeps } from "./upsert.ts";

export type FeedItem = DataOf<"feed.item">;
export type FeedItemOutcome = ResultOf<"feed.item">["outcome"];
export type UpsertFeedItem = (item: FeedItem) => Promise<FeedItemOutcome>;

interface Encoded {
  source: string;
  guid: string;
  /** JSON text. */
  item: string;
}

export function createUpsertFeedItem(deps: UpsertDeps): UpsertFeedItem {
  const upsert = createUpsert<Encoded, FeedItemOutcome>(deps, {
    keyOf,
    bytesOf: ({ item }) => item.length,
    async write(sql, rows) {
      // Only a row that an insert made has never been locked.
      const written = await sql<(Pick<Encoded, "source" | "guid"> & { isNew: boolean })[]>`
        insert into feed_items (source, guid, item)
        select * from unnest(
          ${rows.map((row) => row.source)}::text[], ${rows.map((row) => row.guid)}::text[],
          ${rows.map((row) => row.item)}::text[]::jsonb[])
        on conflict (source, guid) do update set item = excluded.item, changed_at = now()
        where feed_items.item is distinct from excluded.item
        returning source, guid, xmax = 0 as "isNew"`;
      const outcomes = new Map<string, FeedItemOutcome>(
        written.map((row) => [keyOf(row), row.isNew ? "new" : "changed"]),
      );
      return rows.map((row) => outcomes.get(keyOf(row)) ?? "same");
    },
  });
  return (item) => upsert({ source: item.source, guid: item.guid, item: JSON.stringify(item) });
}

function keyOf({ source, guid }: { source: string; guid: string }) {
  return JSON.stringify([source, guid]);
}

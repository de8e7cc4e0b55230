import type { FeedItemColumns } from "@toril/contract/engine/postgres/tables";
import { findUnstorable } from "@toril/contract/api/json/json";
import { isLockTimeout, isTransient } from "@toril/contract/engine/postgres/errors";
import type { RetryingLedger } from "../stores/retrying-ledger.ts";
import type { FeedItem } from "../upsert/feed-items.ts";

export interface ComparedItems {
  fresh: FeedItem[];
  changed: FeedItem[];
  same: number;
}

/** Compares items with the stored items of the job's tenant. Items that cannot be stored count as fresh. */
export type CompareItems = (jobId: string, items: readonly FeedItem[]) => Promise<ComparedItems>;

/** @param items of one source, with unique guids */
export function createCompareItems(ledger: RetryingLedger): CompareItems {
  return async (jobId, items) => {
    const compared: ComparedItems = { fresh: [], changed: [], same: 0 };
    const storable = items.filter((item) => findUnstorable(item, 0) === undefined);
    const guids = storable.map((item) => item.guid);
    const [first] = storable;
    const kept =
      first === undefined
        ? []
        : await ledger.retryUntilAvailable(
            (sql) => sql<(Pick<FeedItemColumns, "guid"> & { isSame: boolean })[]>`
              select guid, kept.item = input.item as "isSame"
              from unnest(
                ${guids}::text[], ${storable.map((item) => JSON.stringify(item))}::text[]::jsonb[]
              ) as input (guid, item)
              join (
                select guid, item from feed_items
                where tenant = (select tenant from jobs where id = ${jobId}::uuid)
                  and source = ${first.source} and guid = any(${guids}::text[])
              ) as kept using (guid)`,
            (error) => !isTransient(error) && !isLockTimeout(error),
          );
    const isSame = new Map(kept.map((row) => [row.guid, row.isSame]));
    for (const item of items) {
      const known = isSame.get(item.guid);
      if (known === true) compared.same += 1;
      else compared[known === undefined ? "fresh" : "changed"].push(item);
    }
    return compared;
  };
}

import type { shippedJobTypes } from "@toril/contract/api/job-types/index";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { feedLimits } from "@toril/contract/api/limits";
import { createFeedParser } from "@toril/contract/engine/feeds/feed-parser";
import type { HandlerServices } from "../worker/plugin.ts";
import { createCompareItems } from "../feeds/compare-items.ts";
import { createFeedStates } from "../feeds/feed-states.ts";
import { createSafeFetch } from "../safe-fetch/safe-fetch.ts";
import { createUpsertFeedItem, type UpsertFeedItem } from "../upsert/feed-items.ts";
import { createUpsertImportedRow, type UpsertImportedRow } from "../upsert/imported-rows.ts";
import { defineHandlers, type HandlerMap, type Handler } from "../worker/handler.ts";
import { createFeedFetch } from "./feed-fetch.ts";
import { setTimeout as sleep } from "node:timers/promises";
import type { echo } from "@toril/contract/api/job-types/echo";
import type { feedItem } from "@toril/contract/api/job-types/feed-item";
import type { rowImport } from "@toril/contract/api/job-types/row-import";

const feedTimeoutMs = 30_000;
const feedRedirects = 5;
/** Memory limit for all feeds that are fetched, parsed and enqueued at the same time. */
const feedBytesAtOnce = 64_000_000;

/** Creates the handlers of the job types that Toril ships. */
export function createShippedHandlers(
  jobTypes: JobTypeRegistry<typeof shippedJobTypes>,
  { ledger, batch, resources, isPrivateFeedAllowed }: HandlerServices,
): HandlerMap {
  const fetchDocument = resources.use(
    createSafeFetch({
      isPrivateAllowed: () => isPrivateFeedAllowed,
      timeoutMs: feedTimeoutMs,
      maxBytes: feedLimits.bytes,
      maxHeldBytes: feedBytesAtOnce,
      maxRedirects: feedRedirects,
      userAgent: "toril",
    }),
  );
  const feedParser = resources.use(createFeedParser());
  return defineHandlers(jobTypes, {
    echo: createEcho(),
    "row.import": createRowImport(createUpsertImportedRow({ ledger, batch })),
    "feed.item": createFeedItem(createUpsertFeedItem({ ledger, batch })),
    "feed.fetch": createFeedFetch({
      fetchDocument,
      feeds: createFeedStates(ledger),
      compareItems: createCompareItems(ledger),
      parseFeed: feedParser.parse,
    }),
  });
}

export function createEcho(): Handler<typeof echo> {
  return async ({ message, sleepMs = 0, failures = 0 }, context) => {
    if (sleepMs > 0) await sleep(sleepMs, undefined, { signal: context.signal });
    if (context.attempt <= failures) {
      throw new Error(`failed as configured: attempt ${context.attempt} of ${failures}`);
    }
    return { message };
  };
}

function createFeedItem(upsert: UpsertFeedItem): Handler<typeof feedItem> {
  return async (item, { id }) => ({ outcome: await upsert(id, item) });
}

function createRowImport(upsert: UpsertImportedRow): Handler<typeof rowImport> {
  return (row, { id }) => upsert(id, row);
}

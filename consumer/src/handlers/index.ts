import type { SandboxedTypeName } from "@toril/contract/api/job-types/index";
import type { Handlers } from "../worker/handler.ts";
import type { UpsertFeedItem } from "../upsert/feed-items.ts";
import type { UpsertImportedRow } from "../upsert/imported-rows.ts";
import { createEcho } from "./echo.ts";
import { createFeedFetch, type FeedFetchDeps } from "./feed-fetch.ts";
import { createFeedItem } from "./feed-item.ts";
import { createRowImport } from "./row-import.ts";

export interface HandlerDeps extends FeedFetchDeps {
  upsertImportedRow: UpsertImportedRow;
  upsertFeedItem: UpsertFeedItem;
  /** Handlers that run in sandbox threads. */
  sandboxed: Pick<Handlers, SandboxedTypeName>;
}

/** Creates one handler per job type of the contract; a missing handler is a compile error. */
export function createHandlers(deps: HandlerDeps): Handlers {
  const own: Omit<Handlers, SandboxedTypeName> = {
    echo: createEcho(),
    "row.import": createRowImport(deps.upsertImportedRow),
    "feed.item": createFeedItem(deps.upsertFeedItem),
    "feed.fetch": createFeedFetch(deps),
  };
  return { ...own, ...deps.sandboxed };
}

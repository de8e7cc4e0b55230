import { getOverview } from "@toril/contract/api/http/overview";
import { handle, type HandledRoute } from "../http/route.ts";
import { throwUnavailable } from "../queues/queue-reader.ts";
import type { ReadOverview } from "./read-overview.ts";

export function overviewRoutes(readOverview: ReadOverview): HandledRoute[] {
  return [
    handle(getOverview, async (c) => c.json(await readOverview().catch(throwUnavailable), 200)),
  ];
}

import { getOverview, getOverviewHistory } from "@toril/contract/api/http/overview";
import { handle, type HandledRoute } from "../http/route.ts";
import { defaultTenant } from "@toril/contract/api/access/api-key";
import type { RequestContext } from "../http/request-context.ts";
import { throwUnavailable } from "../queues/queue-reader.ts";
import { visibleQueues } from "../queues/visible-queues.ts";
import type { ReadHistory } from "./history/read-history.ts";
import type { ReadOverview } from "./read-overview.ts";

export function overviewRoutes(
  readOverview: ReadOverview,
  readHistory: ReadHistory,
): HandledRoute[] {
  return [
    handle(getOverview, async (c) => {
      const { queues, ...overview } = await readOverview().catch(throwUnavailable);
      const isVisible = createQueueFilter(c.env);
      return c.json({ ...overview, queues: queues.filter(({ name }) => isVisible(name)) }, 200);
    }),
    handle(getOverviewHistory, async (c) =>
      c.json(await readHistory(c.req.valid("query").range), 200),
    ),
  ];
}

/** Operators see the queues of all tenants; other callers those whose job types they may access. */
function createQueueFilter(context: RequestContext): (queue: string) => boolean {
  const { tenant, queues, types } = context.principal;
  if (tenant === defaultTenant && queues === null && types === null) return () => true;
  const visible = new Set(visibleQueues(context));
  return (queue) => visible.has(queue);
}

import { followOverview } from "@toril/contract/api/http/events";
import { getOverview, getOverviewHistory } from "@toril/contract/api/http/overview";
import type { Overview } from "@toril/contract/api/overview";
import type { Events } from "../events/events.ts";
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
  events: Pick<Events, "followOverview">,
): HandledRoute[] {
  return [
    handle(getOverview, async (c) => {
      const overview = await readOverview().catch(throwUnavailable);
      return c.json(toVisible(overview, c.env), 200);
    }),
    handle(followOverview, async (c) => {
      const overview = await readOverview().catch(throwUnavailable);
      return events.followOverview(c.env, overview, (current) => toVisible(current, c.env));
    }),
    handle(getOverviewHistory, async (c) =>
      c.json(await readHistory(c.req.valid("query").range), 200),
    ),
  ];
}

function toVisible(overview: Overview, context: RequestContext): Overview {
  const isVisible = createQueueFilter(context);
  return { ...overview, queues: overview.queues.filter(({ name }) => isVisible(name)) };
}

/** Operators see the queues of all tenants; other callers those whose job types they may access. */
function createQueueFilter(context: RequestContext): (queue: string) => boolean {
  const { tenant, queues, types } = context.principal;
  if (tenant === defaultTenant && queues === null && types === null) return () => true;
  const visible = new Set(visibleQueues(context));
  return (queue) => visible.has(queue);
}

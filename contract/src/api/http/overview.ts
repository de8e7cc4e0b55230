import { z } from "zod";
import { historyRanges, Overview, OverviewHistory } from "../overview.ts";
import { json } from "./define/headers.ts";
import { defineRoute } from "./define/route.ts";

export const getOverview = defineRoute({
  operationId: "getOverview",
  summary: "Get the overview",
  description:
    "Returns the activity of the last 30 minutes in slots of 10 s, the queues, and the memory of Redis, as the overview of `/console` shows them. " +
    "All processes record their activity in Redis, so that every producer returns the same figures. Covers the jobs of all tenants; a key of another tenant than `default`, or a restricted key, sees only its queues in `queues`.",
  tags: ["Health"],
  scope: "metrics:read",
  method: "get",
  path: "/v1/overview",
  responses: {
    200: { description: "The overview", content: json(Overview) },
  },
  problems: ["at-capacity"],
});

export const getOverviewHistory = defineRoute({
  operationId: "getOverviewHistory",
  summary: "Get the history of the overview",
  description:
    "Returns the activity of a longer period from the Prometheus at `PROMETHEUS_URL`. Counts are per slot; `waiting`, `active`, `delayed` and `oldestWaitingMs` are the highest value of a slot. " +
    "Values that Prometheus does not have are null, or 0 for counts.",
  tags: ["Health"],
  scope: "metrics:read",
  method: "get",
  path: "/v1/overview/history",
  request: {
    query: z.strictObject({
      range: z.enum(historyRanges).default("24h").meta({
        description: "Period, in slots of 2, 5 or 30 minutes",
      }),
    }),
  },
  responses: {
    200: { description: "The history", content: json(OverviewHistory) },
  },
  problems: ["invalid-parameter", "history-not-configured", "history-unavailable"],
});

import { z } from "zod";
import { json } from "./define/headers.ts";
import { defineRoute } from "./define/route.ts";

const tags: [string] = ["Health"];

const Liveness = z
  .strictObject({ status: z.literal("ok") })
  .meta({ id: "Liveness", example: { status: "ok" } });

export const getLiveness = defineRoute({
  operationId: "getLiveness",
  summary: "Check liveness",
  tags,
  scope: "none",
  method: "get",
  path: "/livez",
  responses: {
    200: {
      description: "The process is alive",
      content: json(Liveness),
    },
  },
  problems: [],
});

export const Readiness = z
  .strictObject({
    status: z.enum(["ok", "degraded", "unavailable", "draining"]),
    postgres: z.enum(["ok", "unavailable"]),
    redis: z.enum(["ok", "unavailable"]),
  })
  .meta({ id: "Readiness", example: { status: "ok", postgres: "ok", redis: "ok" } });
export type Readiness = z.infer<typeof Readiness>;

export const getReadiness = defineRoute({
  operationId: "getReadiness",
  summary: "Check readiness",
  description:
    "Commits a transaction to Postgres and writes to Redis. If Redis is unavailable, the service still accepts jobs (`degraded`).",
  tags,
  scope: "none",
  method: "get",
  path: "/readyz",
  responses: {
    200: {
      description: "The service accepts jobs",
      content: json(Readiness),
    },
    503: {
      description: "The service cannot accept jobs",
      content: json(Readiness),
    },
  },
  problems: [],
});

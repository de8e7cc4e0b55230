import { z } from "zod";
import { defineRoute } from "./route.ts";

const tags: [string] = ["Health"];

const Liveness = z.strictObject({ status: z.literal("ok") }).meta({ id: "Liveness" });

export const getLiveness = defineRoute({
  operationId: "getLiveness",
  summary: "Does the process live?",
  tags,
  scope: "none",
  method: "get",
  path: "/livez",
  responses: {
    200: {
      description: "It does",
      content: { "application/json": { schema: Liveness } },
    },
  },
  problems: [],
});

export const Readiness = z
  .strictObject({
    status: z.enum(["ok", "degraded", "unavailable", "draining"]),
    postgres: z.enum(["ok", "away"]),
    redis: z.enum(["ok", "away"]),
  })
  .meta({ id: "Readiness" });
export type Readiness = z.infer<typeof Readiness>;

export const getReadiness = defineRoute({
  operationId: "getReadiness",
  summary: "Can it accept jobs?",
  description:
    "Commits to Postgres and writes to Redis. Without Redis jobs are still accepted (degraded).",
  tags,
  scope: "none",
  method: "get",
  path: "/readyz",
  responses: {
    200: { description: "It can", content: { "application/json": { schema: Readiness } } },
    503: { description: "It cannot", content: { "application/json": { schema: Readiness } } },
  },
  problems: [],
});

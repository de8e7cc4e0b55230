import { z } from "zod";
import { Import } from "../import.ts";
import type { Overview } from "../overview.ts";
import type { ProblemKind } from "../problem.ts";
import type { JobTypeRegistry } from "../registry.ts";
import { idParameter } from "./define/parameters.ts";
import { defineRoute } from "./define/route.ts";

const tags: [string] = ["Events"];
const scope = "jobs:read";

const headers = z.object({
  "last-event-id": z.string().max(4000).optional().meta({
    description:
      "`id` of the last received event: the stream starts with the later events that Redis still has",
  }),
});

const format =
  "Event data is JSON: a Job for `snapshot` (an Import in the stream of an import), an EventGap for `gap`, and a JobEvent for all other " +
  "events, which have the name of their `event` field. To resume the stream at any producer, send the last `id` as `Last-Event-ID`. A `gap` event means that events " +
  "may be missing because Redis no longer has them. A comment is sent every 15 s as a heartbeat. Slow consumers are disconnected.";

const streamResponse = (example: string) => ({
  200: {
    description: "Stream of events",
    content: { "text/event-stream": { schema: { type: "string" as const }, example } },
  },
});
const stream = streamResponse(
  "id: default:1764150000000-0\nevent: active\ndata: " +
    JSON.stringify({
      event: "active",
      id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
      type: "echo",
      queue: "default",
      importId: null,
      status: "pending",
      at: "2026-11-23T09:30:00.000Z",
    }) +
    "\n\n",
);
const importStream = streamResponse(
  `id: ;end\nevent: snapshot\ndata: ${JSON.stringify(Import.meta()?.["example"])}\n\n`,
);
const ended = {
  204: {
    description:
      "The stream is complete: `Last-Event-ID` is the `id` of its last event. Do not reconnect",
  },
};
const problems: ProblemKind[] = [
  "invalid-parameter",
  "forbidden-resource",
  "quota-exceeded",
  "at-capacity",
];

export const followJob = defineRoute({
  operationId: "followJob",
  summary: "Stream the events of a job",
  description: `Sends a \`snapshot\` and then every event of the job until the job is finished. For a finished job: a \`snapshot\` and the final event. ${format}`,
  tags,
  scope,
  method: "get",
  path: "/v1/jobs/{id}/events",
  request: { params: idParameter("job"), headers },
  responses: { ...stream, ...ended },
  problems: [...problems, "job-not-found", "job-gone"],
});

export const followImport = defineRoute({
  operationId: "followImport",
  summary: "Stream the progress of an import",
  description: `Sends a \`snapshot\` after each change, at most one per second, until the import is done. ${format}`,
  tags,
  scope,
  method: "get",
  path: "/v1/imports/{id}/events",
  request: { params: idParameter("import"), headers },
  responses: { ...importStream, ...ended },
  problems: [...problems, "import-not-found", "import-gone"],
});

const overviewExample: Overview = {
  at: "2026-11-23T09:30:00.000Z",
  slotMs: 10_000,
  slots: [],
  recent: {
    startMs: { p50: 1.4, p95: 9.7 },
    runMs: null,
    settleMs: null,
    commitMs: { p50: 2.1, p95: 4.8 },
  },
  queues: [],
  workers: { consumers: 1, pull: 0, pushEndpoints: 0, stock: 0 },
  redis: { usedBytes: 2_700_000, maxBytes: null },
  hasHistory: false,
};

export const followOverview = defineRoute({
  operationId: "followOverview",
  summary: "Stream the overview",
  description:
    "Sends the overview as `snapshot`, and from then on an `update` every 2 s: the overview with the latest of its slots only. A slot replaces an earlier one with the same `at`. " +
    "The stream begins with a snapshot after each connection, so the series of a client that reconnects has no gap, and the events have no `id`. The stream ends while Redis is unavailable. " +
    "A comment is sent every 15 s as a heartbeat. Slow consumers are disconnected.",
  tags,
  scope: "metrics:read",
  method: "get",
  path: "/v1/overview/events",
  responses: streamResponse(`event: snapshot\ndata: ${JSON.stringify(overviewExample)}\n\n`),
  problems: ["quota-exceeded", "at-capacity"],
});

/** Creates the operations whose schemas depend on the job types. */
export function createEventRoutes(jobTypes: JobTypeRegistry) {
  const followQueue = defineRoute({
    operationId: "followQueue",
    summary: "Stream the events of a queue",
    description: `Sends the events of all jobs in the queue that the API key may read. ${format}`,
    tags,
    scope,
    method: "get",
    path: "/v1/queues/{queue}/events",
    request: {
      params: z.object({
        queue: z.string().meta({
          example: jobTypes.queues[0],
          param: { name: "queue", in: "path" },
          description: "Name of the queue",
        }),
      }),
      headers,
    },
    responses: stream,
    problems,
  });
  return { followQueue };
}

export const followJobs = defineRoute({
  operationId: "followJobs",
  summary: "Stream the events of all jobs",
  description: `Sends the events of all jobs that the API key may read. ${format}`,
  tags,
  scope,
  method: "get",
  path: "/v1/events",
  request: { headers },
  responses: stream,
  problems,
});

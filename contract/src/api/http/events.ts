import { z } from "zod";
import { queueNames } from "../job-types/index.ts";
import type { ProblemKind } from "../problem.ts";
import { defineRoute, idParameter } from "./route.ts";

const tags: [string] = ["Events"];
const scope = "jobs:read";

const headers = z.object({
  "last-event-id": z.string().max(4000).optional().meta({
    description:
      "The `id` that was seen last: what Redis still has of what came after it comes first",
  }),
});

const format =
  "Data is JSON: of `snapshot` a Job (of an import an Import), of `gap` an EventGap, of all others, which are named as " +
  "their `event`, a JobEvent. The last `id` and `Last-Event-ID` resume the stream at any producer; `gap` says that events " +
  "may be missing, because Redis no longer had them. A comment comes every 15 s. A client that is too slow is cut off.";

const stream = {
  200: {
    description: "Events as they happen",
    content: { "text/event-stream": { schema: { type: "string" as const } } },
  },
};
const ended = {
  204: {
    description:
      "`Last-Event-ID` is the `id` of the last event of the stream: do not connect again",
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
  summary: "Follow a job",
  description: `A \`snapshot\`, then what happens, until it has ended. Of a job that has ended: a \`snapshot\` and its end. ${format}`,
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
  summary: "Follow an import as it proceeds",
  description: `A \`snapshot\` whenever it has changed, one a second at most, until it is done. ${format}`,
  tags,
  scope,
  method: "get",
  path: "/v1/imports/{id}/events",
  request: { params: idParameter("import"), headers },
  responses: { ...stream, ...ended },
  problems: [...problems, "import-not-found", "import-gone"],
});

export const followQueue = defineRoute({
  operationId: "followQueue",
  summary: "Follow the jobs of a queue",
  description: format,
  tags,
  scope,
  method: "get",
  path: "/v1/queues/{queue}/events",
  request: {
    params: z.object({
      queue: z.enum(queueNames as [string, ...string[]]).meta({
        example: "default",
        param: { name: "queue", in: "path" },
        description: "The name of the queue",
      }),
    }),
    headers,
  },
  responses: stream,
  problems,
});

export const followJobs = defineRoute({
  operationId: "followJobs",
  summary: "Follow all jobs",
  description: format,
  tags,
  scope,
  method: "get",
  path: "/v1/events",
  request: { headers },
  responses: stream,
  problems,
});

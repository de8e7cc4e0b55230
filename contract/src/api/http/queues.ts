import { z } from "zod";
import { Queue, QueueChange, QueueCleaning, QueueSettings } from "../queue.ts";
import { json } from "./define/headers.ts";
import { queryBoolean } from "./define/parameters.ts";
import { bodyProblems, defineRoute } from "./define/route.ts";

const tags: [string] = ["Queues"];
const scope = "queues:admin";
const params = z.object({
  queue: z.string().meta({
    param: { name: "queue", in: "path" },
    description: "Name of the queue",
    example: "default",
  }),
});
const lookedUp = ["forbidden-resource", "queue-not-found"] as const;
const bodies = ["empty-body", ...bodyProblems, "invalid-request"] as const;
const ofAll =
  "Queues are shared by all tenants, so this operation requires an API key of the tenant `default`.";

const QueueList = z.strictObject({ items: z.array(Queue) }).meta({ id: "QueueList" });

export const listQueues = defineRoute({
  operationId: "listQueues",
  summary: "List queues",
  description: `Returns the queues that the API key may access. ${ofAll}`,
  tags,
  scope: "queues:read",
  method: "get",
  path: "/v1/queues",
  responses: {
    200: {
      description: "The queues with their job counts, throughput and workers",
      content: json(QueueList),
    },
  },
  problems: [],
});

export const getQueue = defineRoute({
  operationId: "getQueue",
  summary: "Get a queue",
  description: ofAll,
  tags,
  scope: "queues:read",
  method: "get",
  path: "/v1/queues/{queue}",
  request: { params },
  responses: {
    200: {
      description: "The queue with its job counts, throughput and workers",
      content: json(Queue),
    },
  },
  problems: lookedUp,
});

const changed = {
  200: {
    description: "The settings are recorded and in effect",
    content: json(QueueSettings),
  },
  202: {
    description: "The settings are recorded; Redis is unavailable, they will take effect later",
    content: json(QueueSettings),
  },
};

export const changeQueue = defineRoute({
  operationId: "changeQueue",
  summary: "Change the limits of a queue",
  description: `Consumers apply the limits immediately; active jobs continue. The settings are stored in Postgres and survive a loss of Redis. ${ofAll}`,
  tags,
  scope,
  method: "patch",
  path: "/v1/queues/{queue}",
  request: {
    params,
    body: { required: true, content: json(QueueChange) },
  },
  responses: changed,
  problems: [...lookedUp, ...bodies],
});

export const pauseQueue = defineRoute({
  operationId: "pauseQueue",
  summary: "Pause a queue",
  description: `Jobs are still accepted and wait in the queue; active jobs finish. ${ofAll}`,
  tags,
  scope,
  method: "post",
  path: "/v1/queues/{queue}/pause",
  request: { params },
  responses: changed,
  problems: lookedUp,
});

export const resumeQueue = defineRoute({
  operationId: "resumeQueue",
  summary: "Resume a queue",
  description: ofAll,
  tags,
  scope,
  method: "post",
  path: "/v1/queues/{queue}/resume",
  request: { params },
  responses: changed,
  problems: lookedUp,
});

const next = z
  .string()
  .nullable()
  .meta({ description: "`cursor` of the next request; null if nothing is left" });
const batchAgain =
  "If a producer is killed before it responds, a repeated request with the same Idempotency-Key processes a batch again.";
const cursor = z.string().optional().meta({ description: "`next` of the previous response" });

const QueueDrained = z
  .strictObject({ cancelled: z.int().min(0), next })
  .meta({ id: "QueueDrained", example: { cancelled: 12, next: null } });

export const drainQueue = defineRoute({
  operationId: "drainQueue",
  summary: "Drain a queue",
  description:
    "Cancels waiting jobs, up to about 1,000 per request: repeat the request with `next` until `next` is null. " +
    `Active jobs are not affected. Delayed jobs, including retries with backoff, are only cancelled with \`delayed\`. ${batchAgain} ${ofAll}`,
  tags,
  scope,
  method: "post",
  path: "/v1/queues/{queue}/drain",
  request: {
    params,
    query: z.strictObject({
      delayed: queryBoolean("true: also cancel delayed jobs"),
      cursor,
    }),
  },
  responses: {
    200: {
      description: "Result of one batch",
      content: json(QueueDrained),
    },
  },
  problems: [...lookedUp, "invalid-parameter"],
});

const QueueCleaned = z
  .strictObject({ removed: z.int().min(0), next })
  .meta({ id: "QueueCleaned", example: { removed: 12, next: null } });

export const cleanQueue = defineRoute({
  operationId: "cleanQueue",
  summary: "Clean a queue",
  description:
    "Removes failed jobs from Redis, up to 1,000 per request: repeat the request with `next` until `next` is null. Postgres keeps the jobs. " +
    `Jobs that are not finished in Postgres stay in Redis. ${batchAgain} ${ofAll}`,
  tags,
  scope,
  method: "post",
  path: "/v1/queues/{queue}/clean",
  request: {
    params,
    query: z.strictObject({ cursor }),
    body: { required: true, content: json(QueueCleaning) },
  },
  responses: {
    200: {
      description: "Result of one batch",
      content: json(QueueCleaned),
    },
  },
  problems: [...lookedUp, "invalid-parameter", ...bodies],
});

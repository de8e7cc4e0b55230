import { z } from "zod";
import { Queue, QueueChange, QueueCleaning, QueueSettings } from "../queue.ts";
import { defineRoute, queryBoolean } from "./route.ts";

const tags: [string] = ["Queues"];
const scope = "queues:admin";
const params = z.object({
  queue: z.string().meta({
    param: { name: "queue", in: "path" },
    description: "The name of the queue",
    example: "default",
  }),
});
const lookedUp = ["forbidden-resource", "queue-not-found"] as const;
const bodies = [
  "empty-body",
  "incomplete-body",
  "body-too-large",
  "unsupported-media-type",
  "invalid-json",
  "unstorable-json",
  "invalid-request",
] as const;
const ofAll =
  "It is for the whole queue, whosever the jobs are: it takes a key of the tenant `default`.";

export const QueueList = z.strictObject({ items: z.array(Queue) }).meta({ id: "QueueList" });

export const listQueues = defineRoute({
  operationId: "listQueues",
  summary: "Look at the queues",
  description: `Those that the key reaches. ${ofAll}`,
  tags,
  scope,
  method: "get",
  path: "/v1/queues",
  responses: {
    200: {
      description: "How full they are, how fast, and who serves them",
      content: { "application/json": { schema: QueueList } },
    },
  },
  problems: [],
});

export const getQueue = defineRoute({
  operationId: "getQueue",
  summary: "Look at a queue",
  description: ofAll,
  tags,
  scope,
  method: "get",
  path: "/v1/queues/{queue}",
  request: { params },
  responses: {
    200: {
      description: "How full it is, how fast, and who serves it",
      content: { "application/json": { schema: Queue } },
    },
  },
  problems: lookedUp,
});

const changed = {
  200: {
    description: "Recorded, and obeyed from now on",
    content: { "application/json": { schema: QueueSettings } },
  },
  202: {
    description: "Recorded; Redis is away, and will be told when it is back",
    content: { "application/json": { schema: QueueSettings } },
  },
};

export const changeQueue = defineRoute({
  operationId: "changeQueue",
  summary: "Limit a queue while it runs",
  description: `Consumers obey at once; jobs that run go on. Redis may lose it: the ledger does not. ${ofAll}`,
  tags,
  scope,
  method: "patch",
  path: "/v1/queues/{queue}",
  request: {
    params,
    body: { required: true, content: { "application/json": { schema: QueueChange } } },
  },
  responses: changed,
  problems: [...lookedUp, ...bodies],
});

export const pauseQueue = defineRoute({
  operationId: "pauseQueue",
  summary: "Let no further job of a queue start",
  description: `Jobs are accepted and wait; those that run go on. ${ofAll}`,
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
  summary: "Let jobs of a paused queue start again",
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
  .meta({ description: "The `cursor` of the next request; null: nothing is left" });
const batchAgain =
  "When a producer is killed before it answers, a repetition with the Idempotency-Key runs a batch again.";
const cursor = z.string().optional().meta({ description: "`next` of the answer before" });

export const QueueDrained = z
  .strictObject({ cancelled: z.int().min(0), next })
  .meta({ id: "QueueDrained" });

export const drainQueue = defineRoute({
  operationId: "drainQueue",
  summary: "Cancel what waits in a queue, a batch a request",
  description:
    "Each request cancels up to about 1,000 jobs: repeat it with `next` until that is null. " +
    `What runs is left alone, and so is what is delayed, retries too, without \`delayed\`. ${batchAgain} ${ofAll}`,
  tags,
  scope,
  method: "post",
  path: "/v1/queues/{queue}/drain",
  request: {
    params,
    query: z.strictObject({
      delayed: queryBoolean("true: also what is delayed"),
      cursor,
    }),
  },
  responses: {
    200: { description: "A batch", content: { "application/json": { schema: QueueDrained } } },
  },
  problems: [...lookedUp, "invalid-parameter"],
});

export const QueueCleaned = z
  .strictObject({ removed: z.int().min(0), next })
  .meta({ id: "QueueCleaned" });

export const cleanQueue = defineRoute({
  operationId: "cleanQueue",
  summary: "Forget failed jobs that Redis still keeps, a batch a request",
  description:
    "Each request removes up to 1,000: repeat it with `next` until that is null. The ledger keeps them, and what it " +
    `does not know to have ended stays. ${batchAgain} ${ofAll}`,
  tags,
  scope,
  method: "post",
  path: "/v1/queues/{queue}/clean",
  request: {
    params,
    query: z.strictObject({ cursor }),
    body: { required: true, content: { "application/json": { schema: QueueCleaning } } },
  },
  responses: {
    200: { description: "A batch", content: { "application/json": { schema: QueueCleaned } } },
  },
  problems: [...lookedUp, "invalid-parameter", ...bodies],
});

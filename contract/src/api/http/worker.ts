import { z } from "zod";
import { ExtendedLeases, LeaseExtension } from "../worker/extend.ts";
import { FinishedAttempts, WorkerFinish } from "../worker/finish.ts";
import { JobsToTake, TakenJobs } from "../worker/take.ts";
import { json } from "./define/headers.ts";
import { defineRoute } from "./define/route.ts";

const tags: [string] = ["Workers"];
/** These operations store no response for an Idempotency-Key: it would contain decrypted secrets. */
const headers = z.object({});
const problems = [
  "empty-body",
  "incomplete-body",
  "invalid-json",
  "unstorable-json",
  "body-too-large",
  "unsupported-media-type",
  "invalid-request",
  "quota-exceeded",
] as const;

export const takeJobs = defineRoute({
  operationId: "takeJobs",
  summary: "Take jobs as a worker",
  description:
    "Leases jobs of types with the worker `pull`, oldest first; `waitMs` waits for a first job. If a worker neither finishes a job nor extends its lease in time, " +
    "another worker gets the job. Queues of job types that are defined in code are shared by all tenants: only keys of the tenant `default` may take from them.",
  tags,
  scope: "jobs:work",
  method: "post",
  path: "/v1/worker/take",
  request: { headers, body: { required: true, content: json(JobsToTake) } },
  responses: {
    200: {
      description: "The jobs; an empty list if there were none in time",
      content: json(TakenJobs),
    },
  },
  problems: [...problems, "forbidden-resource"],
});

export const finishJobs = defineRoute({
  operationId: "finishJobs",
  summary: "Finish jobs as a worker",
  description:
    "Records the outcomes of attempts, and with `take` leases the next jobs. Safe to repeat: a job that was settled by the first request is `already-settled`.",
  tags,
  scope: "jobs:work",
  method: "post",
  path: "/v1/worker/finish",
  request: { headers, body: { required: true, content: json(WorkerFinish) } },
  responses: { 200: { description: "One result per attempt", content: json(FinishedAttempts) } },
  problems: [...problems, "forbidden-resource"],
});

export const extendLeases = defineRoute({
  operationId: "extendLeases",
  summary: "Extend leases as a worker",
  description:
    "Sets the end of leases, counted from now, and records progress and log lines. Returns which jobs were cancelled.",
  tags,
  scope: "jobs:work",
  method: "post",
  path: "/v1/worker/extend",
  request: { headers, body: { required: true, content: json(LeaseExtension) } },
  responses: { 200: { description: "One result per lease", content: json(ExtendedLeases) } },
  problems,
});

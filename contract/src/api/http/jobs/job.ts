import { z } from "zod";
import { JobChanges } from "../../jobs/job-options.ts";
import { Job, JobDetail } from "../../jobs/job.ts";
import { jobTag, json, locationBelow, notModified, preferenceApplied } from "../define/headers.ts";
import { idParameter, Prefer } from "../define/parameters.ts";
import { bodyProblems, defineRoute } from "../define/route.ts";

const tags: [string] = ["Jobs"];

/** The response to a retry, also of a dead letter. */
export const retriedResponse = {
  202: {
    description: "The job is pending; if Redis is unavailable, the job will be dispatched later",
    content: json(Job),
    headers: locationBelow("/v1/jobs"),
  },
};

export const getJob = defineRoute({
  operationId: "getJob",
  summary: "Get a job",
  conditional: true,
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/jobs/{id}",
  request: { params: idParameter("job"), headers: z.object({ prefer: Prefer }) },
  responses: {
    200: {
      description:
        "The job; with `Prefer: wait`, as soon as the job is finished or the wait time has passed",
      content: json(JobDetail),
      headers: {
        ...jobTag,
        ...preferenceApplied,
      },
    },
    304: notModified,
  },
  problems: ["invalid-parameter", "forbidden-resource", "job-not-found", "job-gone", "at-capacity"],
});

export const cancelJob = defineRoute({
  operationId: "cancelJob",
  summary: "Cancel a job",
  description:
    "A job that is not active is removed from its queue immediately. For an active job, the consumer aborts the handler's signal within a second. " +
    "Cancellation also works while Redis is unavailable.",
  tags,
  scope: "jobs:change",
  method: "delete",
  path: "/v1/jobs/{id}",
  conditional: true,
  request: { params: idParameter("job") },
  responses: {
    200: {
      description: "The job is cancelled; also returned if it was cancelled before",
      content: json(Job),
    },
  },
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "job-not-found",
    "job-ended",
    "at-capacity",
  ],
});

export const changeJob = defineRoute({
  operationId: "changeJob",
  summary: "Change the delay or priority of a job",
  tags,
  scope: "jobs:change",
  method: "patch",
  path: "/v1/jobs/{id}",
  conditional: true,
  request: {
    params: idParameter("job"),
    headers: z.object({
      "if-match": z.string().max(1000).optional().meta({
        description: "Required: the last known `ETag` of the job, or `*` for any version",
        example: '"0-pending-0-0-0"',
      }),
    }),
    body: { required: true, content: json(JobChanges) },
  },
  responses: {
    200: {
      description: "The changed job",
      content: json(JobDetail),
      headers: jobTag,
    },
  },
  problems: [
    "empty-body",
    ...bodyProblems,
    "invalid-parameter",
    "forbidden-resource",
    "job-not-found",
    "job-active",
    "job-ended",
    "invalid-job",
    "precondition-required",
    "at-capacity",
  ],
});

export const promoteJob = defineRoute({
  operationId: "promoteJob",
  summary: "Promote a delayed job",
  description:
    "Makes the job due immediately. Also applies to a job that is waiting for its next attempt.",
  tags,
  scope: "jobs:change",
  method: "post",
  path: "/v1/jobs/{id}/promote",
  conditional: true,
  request: { params: idParameter("job") },
  responses: {
    200: {
      description: "The job is due now",
      content: json(Job),
    },
  },
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "job-not-found",
    "job-active",
    "job-ended",
    "job-not-delayed",
    "at-capacity",
  ],
});

export const retryJob = defineRoute({
  operationId: "retryJob",
  summary: "Retry a job",
  description:
    "Sets a finished job back to `pending` under the same ID, with its original number of attempts.",
  tags,
  scope: "jobs:change",
  method: "post",
  path: "/v1/jobs/{id}/retry",
  conditional: true,
  request: { params: idParameter("job") },
  responses: retriedResponse,
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "job-not-found",
    "job-pending",
    "key-taken",
    "quota-exceeded",
    "at-capacity",
  ],
});

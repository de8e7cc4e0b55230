import { z } from "zod";
import { AcceptedJob, CheckedJob } from "../../jobs/accepted-job.ts";
import { Job } from "../../jobs/job.ts";
import { CallbackUrl } from "../../jobs/job-options.ts";
import { limits } from "../../limits.ts";
import { Problem } from "../../problem.ts";
import type { JobTypeRegistry } from "../../registry.ts";
import { BulkCheck, BulkProblem, bulkContent, createBulkBody } from "./bulk.ts";
import { createListRoute } from "./job-list.ts";
import { json, locationBelow, optional, preferenceApplied, replayed } from "../define/headers.ts";
import {
  IdempotencyKey,
  jsonParameter,
  Prefer,
  queryBoolean,
  TraceParent,
} from "../define/parameters.ts";
import { defineRoute, thenProblems } from "../define/route.ts";

const tags: [string] = ["Jobs"];
export const createJobPath = "/v1/jobs";
const location = locationBelow("/v1/jobs");
const requestHeaders = z.object({
  "idempotency-key": IdempotencyKey,
  traceparent: TraceParent,
});
const DryRun = queryBoolean("true: validate the request without storing anything");
const refusals = [
  "empty-body",
  "invalid-json",
  "invalid-parameter",
  "forbidden-resource",
  "idempotency-key-in-use",
  "body-too-large",
  "unsupported-media-type",
  "quota-exceeded",
  "at-capacity",
] as const;

/** Creates the operations whose schemas depend on the job types. */
export function createJobRoutes(jobTypes: JobTypeRegistry) {
  const { schemas } = jobTypes;
  const thenExample = schemas.JobRequest.meta()?.["example"];
  const createJob = defineRoute({
    operationId: "createJob",
    summary: "Enqueue a job",
    description:
      "A 2xx response means that the job is committed to Postgres and will reach a final status. After a 503 the outcome is unknown: " +
      "repeat the request with the same Idempotency-Key.",
    tags,
    scope: "jobs:enqueue",
    method: "post",
    path: createJobPath,
    request: {
      headers: requestHeaders.extend({ prefer: Prefer }),
      query: z.strictObject({ dryRun: DryRun }),
      body: { required: true, content: json(schemas.JobRequest) },
    },
    responses: {
      200: {
        description:
          "A pending job with this key already exists; the body describes it (with `outcome`) and `Location` is its URL. With `Prefer: wait`: " +
          "the finished job (with `settledAt`). With `dryRun`: the request is valid (with `dryRun`)",
        content: json(z.union([AcceptedJob, Job, CheckedJob])),
        headers: { ...optional(location), ...replayed, ...preferenceApplied },
      },
      201: {
        description: "Recorded and dispatched to Redis",
        content: json(AcceptedJob),
        headers: { ...location, ...replayed },
      },
      202: {
        description:
          "Recorded; Redis is unavailable, the job will be dispatched later. With `Prefer: wait`: recorded, but not finished within the wait time",
        content: json(AcceptedJob),
        headers: { ...location, ...replayed, ...preferenceApplied },
      },
    },
    problems: [
      ...refusals,
      "job-type-not-found",
      "data-too-large",
      "invalid-job",
      "unstorable-json",
      "unstorable-secret",
      "idempotency-key-reused",
    ],
  });

  const createJobs = defineRoute({
    operationId: "createJobs",
    summary: "Enqueue jobs in bulk",
    description: `Accepts up to ${limits.bulkEntries} entries by default, as a JSON array or as NDJSON. A duplicate is not an error.`,
    tags,
    scope: "jobs:enqueue",
    method: "post",
    path: "/v1/jobs/bulk",
    request: {
      headers: requestHeaders,
      query: z.strictObject({
        atomicity: z.enum(["all", "partial"]).default("all").meta({
          description:
            "all: one rejected entry rejects the whole request. partial: the valid entries are stored",
        }),
        callbackUrl: CallbackUrl.optional().meta({
          description: "Default `callbackUrl` of the entries",
        }),
        then: jsonParameter(
          "A job, as in `POST /v1/jobs`, that waits until all created jobs of the request have ended, with any final status",
          thenExample,
        ),
        dryRun: DryRun,
      }),
      body: { required: true, content: createBulkBody(jobTypes) },
    },
    responses: {
      200: {
        description: "With `dryRun`: the validation result of each entry",
        content: json(BulkCheck),
      },
      201: { description: "All entries are recorded and dispatched to Redis", ...bulkContent },
      202: {
        description:
          "All entries are recorded; Redis is unavailable, the jobs will be dispatched later",
        ...bulkContent,
      },
      207: { description: "Some entries were rejected (atomicity=partial)", ...bulkContent },
      422: {
        description:
          "An entry was rejected and no entry was stored (invalid-bulk), the job in `then` is invalid (invalid-job, unstorable-json, unstorable-secret), or the Idempotency-Key was used for a different " +
          "request (idempotency-key-reused)",
        content: { "application/problem+json": { schema: z.union([BulkProblem, Problem]) } },
      },
    },
    problems: [...refusals, "too-many-entries", ...thenProblems],
  });

  return { createJob, createJobs, listJobs: createListRoute(jobTypes) };
}

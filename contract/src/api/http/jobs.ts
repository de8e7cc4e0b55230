import { z } from "zod";
import { JobStatus, RedisState } from "../job-states.ts";
import {
  AcceptedJob,
  CheckedJob,
  DryRunAnswer,
  GivenTime,
  Job,
  JobChanges,
  JobDetail,
  Key,
  limits,
} from "../job.ts";
import { Problem } from "../problem.ts";
import type { JobTypeRegistry } from "../registry.ts";
import { maxTermValueLength } from "../search-terms.ts";
import {
  defineRoute,
  etag,
  header,
  IdempotencyKey,
  idParameter,
  locationBelow,
  notModified,
  optional,
  Prefer,
  preferenceApplied,
  queryBoolean,
  replayed,
  TraceParent,
} from "./route.ts";

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
  const createJob = defineRoute({
    operationId: "createJob",
    summary: "Enqueue a job",
    description:
      "A 2xx response means that the job is committed to Postgres and will reach a final status. After a 503 the outcome is unknown: " +
      "repeat the request with the same Idempotency-Key.",
    tags,
    scope: "jobs:write",
    method: "post",
    path: createJobPath,
    request: {
      headers: requestHeaders.extend({ prefer: Prefer }),
      query: z.strictObject({ dryRun: DryRun }),
      body: { required: true, content: { "application/json": { schema: schemas.JobRequest } } },
    },
    responses: {
      200: {
        description:
          "A pending job with this key already exists; the body describes it (with `outcome`) and `Location` is its URL. With `Prefer: wait`: " +
          "the finished job (with `settledAt`). With `dryRun`: the request is valid (with `dryRun`)",
        content: { "application/json": { schema: z.union([AcceptedJob, Job, CheckedJob]) } },
        headers: { ...optional(location), ...replayed, ...preferenceApplied },
      },
      201: {
        description: "Recorded and dispatched to Redis",
        content: { "application/json": { schema: AcceptedJob } },
        headers: { ...location, ...replayed },
      },
      202: {
        description:
          "Recorded; Redis is unavailable, the job will be dispatched later. With `Prefer: wait`: recorded, but not finished within the wait time",
        content: { "application/json": { schema: AcceptedJob } },
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
    scope: "jobs:write",
    method: "post",
    path: "/v1/jobs/bulk",
    request: {
      headers: requestHeaders,
      query: z.strictObject({
        atomicity: z.enum(["all", "partial"]).default("all").meta({
          description:
            "all: one rejected entry rejects the whole request. partial: the valid entries are stored",
        }),
        dryRun: DryRun,
      }),
      body: { required: true, content: createBulkBody(jobTypes) },
    },
    responses: {
      200: {
        description: "With `dryRun`: the validation result of each entry",
        content: { "application/json": { schema: BulkCheck } },
      },
      201: { description: "All entries are recorded and dispatched to Redis", ...bulkAnswer },
      202: {
        description:
          "All entries are recorded; Redis is unavailable, the jobs will be dispatched later",
        ...bulkAnswer,
      },
      207: { description: "Some entries were rejected (atomicity=partial)", ...bulkAnswer },
      422: {
        description:
          "An entry was rejected and no entry was stored (invalid-bulk), or the Idempotency-Key was used for a different " +
          "request (idempotency-key-reused)",
        content: { "application/problem+json": { schema: z.union([BulkProblem, Problem]) } },
      },
    },
    problems: [...refusals, "too-many-entries"],
  });

  const listJobs = defineRoute({
    operationId: "listJobs",
    summary: "List jobs",
    description:
      "Returns jobs, newest first. A page examines at most 10,000 jobs of each status and type and contains at most 4 MB: a page may be short or empty although " +
      "more results exist; continue until `next` is null.",
    tags,
    scope: "jobs:read",
    method: "get",
    path: "/v1/jobs",
    request: {
      query: z.strictObject({
        cursor: z.string().optional().meta({ description: "`next` of the previous page" }),
        limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
        type: schemas.JobTypeName.optional(),
        queue: schemas.QueueName.optional(),
        status: JobStatus.optional(),
        state: RedisState.optional().meta({
          description: "State in Redis; requires `queue` and excludes all other filters",
        }),
        key: Key.optional(),
        label: z.string().min(1).max(limits.labelLength).optional(),
        schedule: z.string().min(1).max(255).optional(),
        importId: z.uuid().optional(),
        createdAfter: GivenTime.optional(),
        createdBefore: GivenTime.optional(),
        omit: z.enum(["payload"]).optional().meta({
          description: "payload: omit `data` and `result` (both are null)",
        }),
        ...createSearchParameters(jobTypes),
      }),
    },
    responses: {
      200: {
        description: "One page of jobs",
        content: { "application/json": { schema: JobPage } },
        headers: optional({
          Link: header("URL of the next page", '</v1/jobs?cursor=MDE5>; rel="next"'),
        }),
      },
    },
    problems: ["invalid-parameter", "at-capacity"],
  });
  return { createJob, createJobs, listJobs };
}

const index = z.int().min(0);
const rejected = z
  .strictObject({ index, outcome: z.literal("rejected"), problem: Problem })
  .meta({ id: "RejectedEntry" });
const BulkEntry = z
  .discriminatedUnion("outcome", [
    z
      .strictObject({ index, outcome: z.literal("created"), id: z.uuid() })
      .meta({ id: "CreatedEntry" }),
    z
      .strictObject({ index, outcome: z.literal("duplicate"), id: z.uuid() })
      .meta({ id: "DuplicateEntry" }),
    rejected,
  ])
  .meta({ id: "BulkEntry" });
export type BulkEntry = z.infer<typeof BulkEntry>;

const counts = z
  .strictObject({
    created: z.int().min(0),
    duplicate: z.int().min(0),
    rejected: z.int().min(0),
  })
  .meta({ id: "BulkCounts" });

export const BulkResult = z.strictObject({ counts, results: z.array(BulkEntry) }).meta({
  id: "BulkResult",
  example: {
    counts: { created: 1, duplicate: 0, rejected: 0 },
    results: [{ index: 0, outcome: "created", id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304" }],
  },
});
export type BulkResult = z.infer<typeof BulkResult>;

/** The problem of a bulk request that stored nothing; `results` contains the rejected entries. */
export const BulkProblem = Problem.extend({ counts, results: z.array(BulkEntry) }).meta({
  id: "BulkProblem",
});
export type BulkProblem = z.infer<typeof BulkProblem>;

export const BulkCheck = z
  .strictObject({
    dryRun: DryRunAnswer,
    counts: z
      .strictObject({ valid: z.int().min(0), rejected: z.int().min(0) })
      .meta({ id: "BulkCheckCounts" }),
    results: z.array(
      z
        .discriminatedUnion("outcome", [
          z.strictObject({ index, outcome: z.literal("valid") }).meta({ id: "ValidEntry" }),
          rejected,
        ])
        .meta({ id: "CheckedEntry" }),
    ),
  })
  .meta({
    id: "BulkCheck",
    example: {
      dryRun: true,
      counts: { valid: 1, rejected: 0 },
      results: [{ index: 0, outcome: "valid" }],
    },
  });
export type BulkCheck = z.infer<typeof BulkCheck>;

/** Each entry is validated separately, so that the errors of all entries are reported. */
function createBulkBody({ schemas }: JobTypeRegistry) {
  const entry = schemas.JobRequest.meta()?.["example"];
  return {
    "application/json": {
      schema: {
        type: "array" as const,
        minItems: 1,
        maxItems: limits.bulkEntries,
        items: { $ref: "#/components/schemas/JobRequest" },
      },
      ...(entry === undefined ? {} : { example: [entry, entry] }),
    },
    "application/x-ndjson": {
      schema: { type: "string" as const, description: "One JobRequest per line" },
      ...(entry === undefined ? {} : { example: `${JSON.stringify(entry)}\n`.repeat(2) }),
    },
  };
}

const bulkAnswer = {
  content: { "application/json": { schema: BulkResult } },
  headers: replayed,
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
      content: { "application/json": { schema: JobDetail } },
      headers: {
        ...etag,
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
  scope: "jobs:write",
  method: "delete",
  path: "/v1/jobs/{id}",
  conditional: true,
  request: { params: idParameter("job") },
  responses: {
    200: {
      description: "The job is cancelled; also returned if it was cancelled before",
      content: { "application/json": { schema: Job } },
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
  scope: "jobs:write",
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
    body: { required: true, content: { "application/json": { schema: JobChanges } } },
  },
  responses: {
    200: {
      description: "The changed job",
      content: { "application/json": { schema: JobDetail } },
      headers: etag,
    },
  },
  problems: [
    "empty-body",
    "invalid-json",
    "invalid-parameter",
    "forbidden-resource",
    "job-not-found",
    "job-active",
    "job-ended",
    "body-too-large",
    "unsupported-media-type",
    "invalid-job",
    "unstorable-json",
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
  scope: "jobs:write",
  method: "post",
  path: "/v1/jobs/{id}/promote",
  conditional: true,
  request: { params: idParameter("job") },
  responses: {
    200: {
      description: "The job is due now",
      content: { "application/json": { schema: Job } },
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
  scope: "jobs:write",
  method: "post",
  path: "/v1/jobs/{id}/retry",
  conditional: true,
  request: { params: idParameter("job") },
  responses: {
    202: {
      description: "The job is pending; if Redis is unavailable, the job will be dispatched later",
      content: { "application/json": { schema: Job } },
      headers: location,
    },
  },
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

export const JobPage = z
  .strictObject({
    items: z.array(Job),
    next: z.string().nullable().meta({
      description: "Cursor of the next page; null if there are no more results",
    }),
  })
  .meta({ id: "JobPage" });
export type JobPage = z.infer<typeof JobPage>;

/** Creates `data.<field>` for each searchable field of a job type. */
function createSearchParameters({ searchableFields }: JobTypeRegistry) {
  return Object.fromEntries(
    searchableFields.map((field) => [
      `data.${field}`,
      z
        .string()
        .min(1)
        .max(maxTermValueLength)
        .optional()
        .meta({ description: `Only jobs with this value of \`data.${field}\`` }),
    ]),
  );
}

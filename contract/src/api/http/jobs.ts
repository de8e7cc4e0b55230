import { z } from "zod";
import {
  AcceptedJob,
  CheckedJob,
  DryRunAnswer,
  GivenTime,
  Job,
  JobChanges,
  JobDetail,
  JobStatus,
  Key,
  limits,
} from "../job.ts";
import { JobRequest, jobTypeNames, queueNames, searchableFields } from "../job-types/index.ts";
import { Problem } from "../problem.ts";
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
const location = locationBelow("/v1/jobs");
const requestHeaders = z.object({
  "idempotency-key": IdempotencyKey,
  traceparent: TraceParent,
});
const DryRun = queryBoolean("true: what was sent is checked, and nothing is stored");
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

export const createJob = defineRoute({
  operationId: "createJob",
  summary: "Hand over a job",
  description:
    "A 2xx answer means that the job is committed to the ledger and will end. 503 means unknown: " +
    "repeat the request with an Idempotency-Key.",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/jobs",
  request: {
    headers: requestHeaders.extend({ prefer: Prefer }),
    query: z.strictObject({ dryRun: DryRun }),
    body: { required: true, content: { "application/json": { schema: JobRequest } } },
  },
  responses: {
    200: {
      description:
        "A job with this key stands already; this is it, at `Location` (it has an `outcome`). With `Prefer: wait`: the job, " +
        "which has ended (it has a `settledAt`). With `dryRun`: what was sent would be accepted (it has a `dryRun`)",
      content: { "application/json": { schema: z.union([AcceptedJob, Job, CheckedJob]) } },
      headers: { ...optional(location), ...replayed, ...preferenceApplied },
    },
    201: {
      description: "Recorded, and waiting in Redis",
      content: { "application/json": { schema: AcceptedJob } },
      headers: { ...location, ...replayed },
    },
    202: {
      description:
        "Recorded; Redis is away, and the job will be placed when it is back. With `Prefer: wait`: the time is up",
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

export const BulkResult = z
  .strictObject({ counts, results: z.array(BulkEntry) })
  .meta({ id: "BulkResult" });
export type BulkResult = z.infer<typeof BulkResult>;

/** Nothing was stored; `results` names the rejected entries. */
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
  .meta({ id: "BulkCheck" });
export type BulkCheck = z.infer<typeof BulkCheck>;

/** Each entry is checked by itself, so that one bad entry does not hide the others. */
const bulkBody = {
  "application/json": {
    schema: {
      type: "array" as const,
      minItems: 1,
      maxItems: limits.bulkEntries,
      items: { $ref: "#/components/schemas/JobRequest" },
    },
  },
  "application/x-ndjson": {
    schema: { type: "string" as const, description: "A JobRequest on each line" },
    example: '{"type":"echo","data":{"message":"a"}}\n{"type":"echo","data":{"message":"b"}}\n',
  },
};

const bulkAnswer = {
  content: { "application/json": { schema: BulkResult } },
  headers: replayed,
};

export const createJobs = defineRoute({
  operationId: "createJobs",
  summary: "Hand over many jobs",
  description: `Up to ${limits.bulkEntries} entries by default, as a JSON array or one per line. A duplicate is no error.`,
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/jobs/bulk",
  request: {
    headers: requestHeaders,
    query: z.strictObject({
      atomicity: z.enum(["all", "partial"]).default("all").meta({
        description: "all: one rejected entry rejects all. partial: the others are stored",
      }),
      dryRun: DryRun,
    }),
    body: { required: true, content: bulkBody },
  },
  responses: {
    200: {
      description: "With `dryRun`: which entries would be accepted",
      content: { "application/json": { schema: BulkCheck } },
    },
    201: { description: "All are recorded, and waiting in Redis", ...bulkAnswer },
    202: { description: "All are recorded; Redis is away", ...bulkAnswer },
    207: { description: "Some were rejected (atomicity=partial)", ...bulkAnswer },
    422: {
      description:
        "Entries were rejected and nothing was stored (invalid-bulk); or this Idempotency-Key was used for another " +
        "request (idempotency-key-reused)",
      content: { "application/problem+json": { schema: z.union([BulkProblem, Problem]) } },
    },
  },
  problems: [...refusals, "too-many-entries"],
});

export const getJob = defineRoute({
  operationId: "getJob",
  summary: "Look at a job",
  conditional: true,
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/jobs/{id}",
  request: { params: idParameter("job"), headers: z.object({ prefer: Prefer }) },
  responses: {
    200: {
      description: "The job; with `Prefer: wait`, when it ended or the time is up",
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
    "One that waits is gone at once; of one that runs, the handler's signal aborts within a second, wherever it runs. " +
    "Works while Redis is away.",
  tags,
  scope: "jobs:write",
  method: "delete",
  path: "/v1/jobs/{id}",
  conditional: true,
  request: { params: idParameter("job") },
  responses: {
    200: {
      description: "It is cancelled, now or before",
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
  summary: "Change when and how urgently a job that waits is done",
  tags,
  scope: "jobs:write",
  method: "patch",
  path: "/v1/jobs/{id}",
  conditional: true,
  request: {
    params: idParameter("job"),
    headers: z.object({
      "if-match": z.string().max(1000).optional().meta({
        description: "Needed: the `ETag` of the job as it is known; `*` for any",
        example: '"0-pending-0-0-0"',
      }),
    }),
    body: { required: true, content: { "application/json": { schema: JobChanges } } },
  },
  responses: {
    200: {
      description: "It is changed",
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
  summary: "Make a delayed job due",
  description: "Also one that waits for its next run.",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/jobs/{id}/promote",
  conditional: true,
  request: { params: idParameter("job") },
  responses: {
    200: {
      description: "It is due now",
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
  summary: "Do a job again that has ended",
  description:
    "It is pending again under the same id, with as many attempts as at first, and ends once more.",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/jobs/{id}/retry",
  conditional: true,
  request: { params: idParameter("job") },
  responses: {
    202: {
      description: "It is pending; while Redis is away, it will be placed later",
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
      description: "The cursor of the next page. A page that looked at many jobs in vain is short",
    }),
  })
  .meta({ id: "JobPage" });
export type JobPage = z.infer<typeof JobPage>;

/** `data.<field>` for each field that a job type lets be searched. */
const searchParameters = Object.fromEntries(
  searchableFields.map((field) => [
    `data.${field}`,
    z
      .string()
      .min(1)
      .max(maxTermValueLength)
      .optional()
      .meta({
        description: `Jobs whose data has this \`${field}\``,
      }),
  ]),
);

export const listJobs = defineRoute({
  operationId: "listJobs",
  summary: "List jobs, newest first",
  description:
    "A page examines at most 10,000 jobs of each status and type, and holds at most 4 MB: it may be short or empty although " +
    "more results exist; continue until `next` is null.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/jobs",
  request: {
    query: z.strictObject({
      cursor: z.string().optional().meta({ description: "`next` of the page before" }),
      limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
      type: z.enum(jobTypeNames).optional(),
      queue: z.enum(queueNames).optional(),
      status: JobStatus.optional(),
      state: z.enum(["waiting", "active", "delayed", "prioritized"]).optional().meta({
        description: "Asked of Redis, so it needs a `queue`; not beside what else narrows the list",
      }),
      key: Key.optional(),
      label: z.string().min(1).max(limits.labelLength).optional(),
      schedule: z.string().min(1).max(255).optional(),
      importId: z.uuid().optional(),
      createdAfter: GivenTime.optional(),
      createdBefore: GivenTime.optional(),
      omit: z.enum(["payload"]).optional().meta({
        description: "payload: the jobs come without `data` and `result`, which are null",
      }),
      ...searchParameters,
    }),
  },
  responses: {
    200: {
      description: "A page",
      content: { "application/json": { schema: JobPage } },
      headers: optional({ Link: header("The next page", '</v1/jobs?cursor=MDE5>; rel="next"') }),
    },
  },
  problems: ["invalid-parameter", "at-capacity"],
});

import { z } from "zod";
import { AcceptedJob, CheckedJob, Job, JobStatus, limits } from "../job.ts";
import { JobRequest, jobTypeNames } from "../jobs/index.ts";
import { Problem } from "../problem.ts";
import {
  defineRoute,
  IdempotencyKey,
  idParameter,
  locationBelow,
  optional,
  replayed,
  TraceParent,
} from "./route.ts";

const tags: [string] = ["Jobs"];
const location = locationBelow("/v1/jobs");
const requestHeaders = z.object({
  "idempotency-key": IdempotencyKey,
  traceparent: TraceParent,
});
const DryRun = z.enum(["true", "false"]).optional().meta({
  description: "true: what was sent is checked, and nothing is stored",
});
const refusals = [
  "empty-body",
  "invalid-json",
  "invalid-parameter",
  "out-of-reach",
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
    headers: requestHeaders,
    query: z.strictObject({ dryRun: DryRun }),
    body: { required: true, content: { "application/json": { schema: JobRequest } } },
  },
  responses: {
    200: {
      description:
        "A job with this key stands already; this is it, at `Location`. With `dryRun`: what was sent would be accepted",
      content: { "application/json": { schema: z.union([AcceptedJob, CheckedJob]) } },
      headers: { ...optional(location), ...replayed },
    },
    201: {
      description: "Recorded, and waiting in Redis",
      content: { "application/json": { schema: AcceptedJob } },
      headers: { ...location, ...replayed },
    },
    202: {
      description: "Recorded; Redis is away, and the job will be placed when it is back",
      content: { "application/json": { schema: AcceptedJob } },
      headers: { ...location, ...replayed },
    },
  },
  problems: [
    ...refusals,
    "unknown-type",
    "data-too-large",
    "invalid-job",
    "unstorable-json",
    "unstorable-secret",
    "idempotency-key-reused",
  ],
});

const index = z.int().min(0);
const BulkEntry = z.discriminatedUnion("outcome", [
  z.strictObject({ index, outcome: z.literal("created"), id: z.uuid() }),
  z.strictObject({ index, outcome: z.literal("duplicate"), id: z.uuid() }),
  z.strictObject({ index, outcome: z.literal("rejected"), problem: Problem }),
]);
export type BulkEntry = z.infer<typeof BulkEntry>;

const counts = z.strictObject({
  created: z.int().min(0),
  duplicate: z.int().min(0),
  rejected: z.int().min(0),
});

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
    dryRun: z.literal(true),
    counts: z.strictObject({ valid: z.int().min(0), rejected: z.int().min(0) }),
    results: z.array(
      z.discriminatedUnion("outcome", [
        z.strictObject({ index, outcome: z.literal("valid") }),
        z.strictObject({ index, outcome: z.literal("rejected"), problem: Problem }),
      ]),
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
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/jobs/{id}",
  request: { params: idParameter("job") },
  responses: {
    200: { description: "The job", content: { "application/json": { schema: Job } } },
  },
  problems: ["invalid-parameter", "out-of-reach", "job-not-found", "at-capacity"],
});

export const JobPage = z
  .strictObject({
    items: z.array(Job),
    next: z.string().nullable().meta({ description: "The cursor of the next page" }),
  })
  .meta({ id: "JobPage" });
export type JobPage = z.infer<typeof JobPage>;

export const listJobs = defineRoute({
  operationId: "listJobs",
  summary: "List jobs, newest first",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/jobs",
  request: {
    query: z.strictObject({
      cursor: z.string().optional().meta({ description: "`next` of the page before" }),
      limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
      status: JobStatus.optional(),
      type: z.enum(jobTypeNames).optional(),
      importId: z.uuid().optional(),
    }),
  },
  responses: {
    200: { description: "A page", content: { "application/json": { schema: JobPage } } },
  },
  problems: ["invalid-parameter", "at-capacity"],
});

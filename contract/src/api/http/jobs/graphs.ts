import { z } from "zod";
import { graphLimits } from "../../jobs/graph.ts";
import { AcceptedJob, acceptedJobExample } from "../../jobs/accepted-job.ts";
import { Job } from "../../jobs/job.ts";
import { JobStatus } from "../../jobs/job-states.ts";
import { createPage, pageQuery } from "../../page.ts";
import type { JobTypeRegistry } from "../../registry.ts";
import { json, locationBelow, optional, replayed } from "../define/headers.ts";
import { IdempotencyKey, idParameter, TraceParent } from "../define/parameters.ts";
import { defineRoute } from "../define/route.ts";

/** The response to a graph: its root job, and how many jobs were recorded. */
export const AcceptedGraph = AcceptedJob.extend({
  jobs: z.int().min(0).meta({
    description: "Number of recorded jobs, including the root; 0 if the root is a duplicate",
  }),
}).meta({
  id: "AcceptedGraph",
  example: { ...acceptedJobExample, key: null, jobs: 3 },
});
export type AcceptedGraph = z.infer<typeof AcceptedGraph>;

const tags: [string] = ["Graphs"];
const location = locationBelow("/v1/jobs");

/** Creates the operations whose schemas depend on the job types. */
export function createGraphRoutes({ schemas }: JobTypeRegistry) {
  const createGraph = defineRoute({
    operationId: "createGraph",
    summary: "Enqueue a graph of jobs",
    description:
      `Enqueues a parent with up to ${graphLimits.jobs - 1} descendants, in up to ${graphLimits.depth} levels, in one transaction: all jobs are recorded, or none. ` +
      "A job with children has the state `waiting-children` until its children have ended. If the root's key belongs to a pending job, nothing is recorded and the response " +
      "describes that job; if the key of another job belongs to a pending job, the error is `key-taken`.",
    tags,
    scope: "jobs:enqueue",
    method: "post",
    path: "/v1/graphs",
    request: {
      headers: z.object({ "idempotency-key": IdempotencyKey, traceparent: TraceParent }),
      body: { required: true, content: json(schemas.GraphRequest) },
    },
    responses: {
      200: {
        description: "A pending job with the root's key already exists; the body describes it",
        content: json(AcceptedGraph),
        headers: { ...optional(location), ...replayed },
      },
      201: {
        description: "Recorded; the jobs without children are dispatched to Redis",
        content: json(AcceptedGraph),
        headers: { ...location, ...replayed },
      },
      202: {
        description: "Recorded; Redis is unavailable, the jobs will be dispatched later",
        content: json(AcceptedGraph),
        headers: { ...location, ...replayed },
      },
    },
    problems: [
      "empty-body",
      "incomplete-body",
      "invalid-json",
      "invalid-parameter",
      "forbidden-resource",
      "idempotency-key-in-use",
      "idempotency-key-reused",
      "body-too-large",
      "unsupported-media-type",
      "quota-exceeded",
      "at-capacity",
      "too-many-entries",
      "job-type-not-found",
      "data-too-large",
      "invalid-job",
      "unstorable-json",
      "unstorable-secret",
      "key-taken",
    ],
  });
  return { createGraph };
}

const ChildPage = createPage("ChildPage", Job);

export const listChildren = defineRoute({
  operationId: "listChildren",
  summary: "List the children of a job",
  description:
    "Returns the jobs that the job waits for, with their results, in order of their ids. A page may be empty although more children exist; continue until `next` is null.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/jobs/{id}/children",
  request: {
    params: idParameter("job"),
    query: z.strictObject({
      ...pageQuery,
      status: JobStatus.optional().meta({ description: "Only children with this status" }),
    }),
  },
  responses: { 200: { description: "One page of jobs", content: json(ChildPage) } },
  problems: ["invalid-parameter", "forbidden-resource", "job-not-found", "job-gone"],
});

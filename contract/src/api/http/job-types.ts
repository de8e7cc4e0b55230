import { z } from "zod";
import { JobTypeDescription, JobTypeRegistration } from "../job-type-registration.ts";
import { createPage, pageQuery } from "../page.ts";
import { header, json, notModified, versionTag } from "./define/headers.ts";
import { queryBoolean, typeParameter } from "./define/parameters.ts";
import { bodyProblems, defineRoute } from "./define/route.ts";

const tags: [string] = ["Job types"];
const scope = "types:admin";
const params = typeParameter;
const etag = versionTag("job type");
const shown = { content: json(JobTypeDescription), headers: etag };

export const putJobType = defineRoute({
  operationId: "putJobType",
  summary: "Register or change a job type",
  description:
    "Registers a job type for the tenant of the caller. Every producer and consumer uses the type within 2 s; a producer looks up an unknown type before it refuses " +
    "a request. While jobs of the type are pending or a schedule uses the type, a breaking change (valid data or results would become invalid) is refused, unless `force` is true; `errors` " +
    "lists the differences. Pending jobs keep their options; if the queue changes, they become dead letters. Job types that are defined in code cannot be changed. " +
    "With `If-None-Match: *` the request only registers a type and never changes one.",
  tags,
  scope,
  method: "put",
  path: "/v1/job-types/{type}",
  conditional: true,
  request: {
    params,
    query: z.strictObject({ force: queryBoolean("true: allow a breaking change") }),
    body: { required: true, content: json(JobTypeRegistration) },
  },
  responses: {
    200: { description: "The changed job type; also returned if nothing changed", ...shown },
    201: {
      description: "The registered job type",
      ...shown,
      headers: { ...etag, Location: header("URL of the job type", "/v1/job-types/mail.send") },
    },
  },
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "empty-body",
    ...bodyProblems,
    "invalid-job-type",
    "job-type-conflict",
    "breaking-change",
    "too-many-job-types",
    "quota-exceeded",
  ],
});

const JobTypePage = createPage("JobTypePage", JobTypeDescription);

export const listJobTypes = defineRoute({
  operationId: "listJobTypes",
  summary: "List job types",
  description:
    "Returns the registered job types of the tenant and those that are defined in code, ordered by name.",
  tags,
  scope: "types:read",
  method: "get",
  path: "/v1/job-types",
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: { description: "One page of job types", content: json(JobTypePage) } },
  problems: ["invalid-parameter"],
});

const missing = ["invalid-parameter", "forbidden-resource", "job-type-not-found"] as const;

export const getJobType = defineRoute({
  operationId: "getJobType",
  summary: "Get a job type",
  tags,
  scope: "types:read",
  method: "get",
  path: "/v1/job-types/{type}",
  conditional: true,
  request: { params },
  responses: { 200: { description: "The job type", ...shown }, 304: notModified },
  problems: missing,
});

export const deleteJobType = defineRoute({
  operationId: "deleteJobType",
  summary: "Delete a job type",
  description:
    "Deletes a registered job type. Refused while jobs of the type are pending or a schedule uses it. Ended jobs remain until retention deletes them. Other producers apply " +
    "the deletion within 2 s; jobs that they accept before become dead letters.",
  tags,
  scope,
  method: "delete",
  path: "/v1/job-types/{type}",
  conditional: true,
  request: { params },
  responses: { 200: { description: "The deleted job type", content: json(JobTypeDescription) } },
  problems: [...missing, "job-type-conflict", "job-type-in-use"],
});

import { OpenAPIRegistry, OpenApiGeneratorV31 } from "@asteasolutions/zod-to-openapi";
import { stringify } from "yaml";
import { EventGap, JobEvent } from "../jobs/event.ts";
import type { Api } from "../http/index.ts";
import { securityScheme } from "../http/define/route.ts";
import { jsonLimits } from "../json/json.ts";

type OpenApiDocument = ReturnType<OpenApiGeneratorV31["generateDocument"]>;

/** Builds the OpenAPI 3.1 document of the operations. */
export function buildOpenApi(api: Api, version: string): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  registry.registerComponent("securitySchemes", securityScheme, {
    type: "http",
    scheme: "bearer",
    description:
      "`Authorization: Bearer toril_...` with an API key created by `POST /v1/keys` or `toril keys create`, or an access token of the " +
      "configured OpenID Connect issuer. Until the first API key exists, a service that is reachable only from its own machine accepts unauthenticated requests.",
  });
  for (const route of Object.values(api)) registry.registerPath(route);
  // OpenAPI 3.1 cannot describe the data of server-sent events in a response, so these schemas are registered separately.
  const data = [JobEvent, EventGap].map((schema) => ({ type: "schema" as const, schema }));
  return new OpenApiGeneratorV31([...registry.definitions, ...data]).generateDocument({
    openapi: "3.1.0",
    info: {
      title: "Toril",
      version,
      description:
        "HTTP API for BullMQ with a durable ledger in Postgres. A 2xx response to an enqueue request means that the job is committed to Postgres. Every error is `application/problem+json` (RFC 9457). " +
        `The JSON of a request, of each entry of a bulk request, or of each job of a graph, may have at most ${jsonLimits.depth} nesting levels, ${jsonLimits.members} object members ` +
        `and ${jsonLimits.values} values. Numbers are read as IEEE 754 doubles; -0 is stored as 0. Integers beyond 2^53, numbers beyond the ` +
        "range of a double (1e400) and duplicate member names in an object are rejected (unstorable-json).",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: [
      {
        name: "Jobs",
        description: "Enqueue, inspect, cancel, change, promote and retry background jobs",
      },
      {
        name: "Graphs",
        description: "Enqueue jobs that wait for other jobs, and read their results",
      },
      {
        name: "Imports",
        description: "Upload a CSV file or a feed and create one job per row or item",
      },
      { name: "Events", description: "Stream job and import events as server-sent events (SSE)" },
      { name: "Schedules", description: "Create jobs repeatedly by cron expression or interval" },
      { name: "Feeds", description: "Inspect polled feeds and fetch one now" },
      {
        name: "Dead letters",
        description: "Inspect, redrive and delete jobs that failed permanently",
      },
      {
        name: "Operations",
        description: "Cancel, retry, promote or delete many jobs in the background",
      },
      { name: "Workers", description: "Take and finish jobs over HTTP" },
      { name: "Queues", description: "Inspect, limit, pause, resume, drain and clean queues" },
      {
        name: "Job types",
        description: "Register job types at run time, with JSON Schemas",
      },
      { name: "Keys", description: "Manage API keys, their scopes, restrictions and quotas" },
      {
        name: "Health",
        description: "Liveness and readiness probes for load balancers and orchestrators",
      },
    ],
  });
}

/** Serializes the document as YAML. Times are quoted, because YAML 1.1 parsers read an unquoted time as a date. */
export function toYaml(document: ReturnType<typeof buildOpenApi>): string {
  return stringify(document, { aliasDuplicateObjects: false, compat: "yaml-1.1" });
}

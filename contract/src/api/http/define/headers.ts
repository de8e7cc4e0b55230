import type { RouteConfig } from "@hono/zod-openapi";
import type { z } from "zod";
import type { ProblemKind } from "../../problem.ts";

/** The content of a JSON body. */
export function json<Schema extends z.ZodType>(schema: Schema) {
  return { "application/json": { schema } };
}

export function header(description: string, example: string) {
  return { description, schema: { type: "string" as const }, example };
}

const retryAfter = {
  "Retry-After": header(
    "Seconds to wait before retrying; if an internal queue is full, the estimated time until it is empty",
    "1",
  ),
};

export const rateLimit = {
  "RateLimit-Policy": header(
    "Quotas of the API key, if it has any (draft-ietf-httpapi-ratelimit-headers-11)",
    '"jobs";q=200;w=2',
  ),
  RateLimit: header("Remaining quota, and seconds until it is replenished", '"jobs";r=150;t=1'),
};

/** Returns the headers of an error response, for all problems with that status. */
export function problemHeaders(status: number, kinds: readonly ProblemKind[]) {
  if (status === 401) {
    const example = 'Bearer realm="Toril"';
    return { headers: { "WWW-Authenticate": header("The authentication scheme to use", example) } };
  }
  if (kinds.includes("quota-exceeded")) return { headers: { ...retryAfter, ...rateLimit } };
  return status === 429 || status === 503 ? { headers: retryAfter } : {};
}

/** Adds headers to the successful responses. */
export function withHeaders(
  responses: RouteConfig["responses"],
  headers: object,
): RouteConfig["responses"] {
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => [
      status,
      status.startsWith("2") && !("$ref" in response)
        ? { ...response, headers: Object.assign({}, response.headers, headers) }
        : response,
    ]),
  );
}

/** Marks response headers as optional. */
export function optional(headers: Record<string, object>) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, one]) => [name, { ...one, required: false }]),
  );
}

export function locationBelow(path: string) {
  return { Location: header("URL of the created resource", `${path}/{id}`) };
}

/** The ETag of a resource that has a version number. */
export function versionTag(resource: string) {
  return {
    ETag: header(
      `Version of the ${resource}, a dot, and a hash of the response`,
      '"3.1f0c9a3b5d7e2468"',
    ),
  };
}

/** The ETag of a job, which has no version number. */
export const jobTag = {
  ETag: header("Version of the job, for `If-Match`", '"0-pending-0-0-0"'),
};

export const notModified = { description: "Not modified: an ETag of `If-None-Match` is current" };

export const replayed = {
  "Idempotency-Replayed": header(
    "`true` if this is the replayed response of an earlier request",
    "true",
  ),
};

export const preferenceApplied = optional({
  "Preference-Applied": header("The preference that was applied", "wait=20"),
});

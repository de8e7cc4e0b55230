import { createRoute, type RouteConfig } from "@hono/zod-openapi";
import { z } from "zod";
import { getSufficientScopes, type Scope } from "../scope.ts";
import { Problem, type ProblemKind, problemKinds } from "../problem.ts";

/** The scope that an operation requires; "any": a valid key, whatever its scopes; "none": no authentication. */
export type RequiredScope = Scope | "any" | "none";

export const securityScheme = "apiKey";

type Definition = Omit<RouteConfig, "operationId" | "summary" | "tags"> & {
  operationId: string;
  summary: string;
  tags: [string];
  scope: RequiredScope;
  /** The resource has an ETag: the operation evaluates If-Match and If-None-Match (RFC 9110, section 13). */
  conditional?: true;
  /** Problems specific to this operation, in addition to those that any operation can return. */
  problems: readonly ProblemKind[];
};

/**
 * Defines one operation of the API. Every POST accepts an Idempotency-Key. The producer pairs the operation with its
 * handler in `routes.ts` of the subject.
 * @returns a route of @hono/zod-openapi with every problem as a documented response
 */
export function defineRoute<const Route extends Definition>(definition: Route) {
  const { scope, problems, conditional: _, ...route } = takingConditions(takingKey(definition));
  const documented: RouteConfig = {
    ...(route as RouteConfig),
    "x-required-scope": scope,
    security:
      scope === "none"
        ? []
        : scope === "any"
          ? [{ [securityScheme]: [] }]
          : getSufficientScopes(scope).map((sufficient) => ({ [securityScheme]: [sufficient] })),
    responses: {
      ...(problems.includes("quota-exceeded")
        ? withRateLimitHeaders(route.responses)
        : route.responses),
      ...problemResponses([...(scope === "none" ? [] : refusals), ...problems, "internal-error"]),
    },
  };
  return createRoute(documented) as unknown as Documented<Route>;
}

/** Adds the Idempotency-Key header to a POST that declares no headers of its own. */
function takingKey(definition: Definition): Definition {
  if (definition.method !== "post" || definition.request?.headers !== undefined) return definition;
  const headers = z.object({ "idempotency-key": IdempotencyKey });
  return {
    ...definition,
    request: { ...definition.request, headers },
    responses: withHeaders(definition.responses, replayed),
    problems: [...definition.problems, ...onceProblems, "invalid-parameter", "body-too-large"],
  };
}

function takingConditions(definition: Definition): Definition {
  const { conditional, method, request, problems } = definition;
  if (!conditional) return definition;
  const own = request?.headers as z.ZodObject | undefined;
  const effect =
    method === "get"
      ? "304 if one matches the current ETag"
      : "412 if one matches the current ETag";
  const headers = z.object({
    "if-match": Condition.meta({
      description: "ETags or `*`; 412 if none matches the current ETag",
    }),
    "if-none-match": Condition.meta({ description: `ETags or \`*\`; ${effect}` }),
    ...own?.shape,
  });
  return {
    ...definition,
    request: { ...request, headers },
    problems: [...problems, "invalid-parameter", "precondition-failed"],
  };
}

const Condition = z.string().max(4000).optional();

/** Returns the scope of an operation, as documented in `x-required-scope`. */
export function getRequiredScope(route: { path: string }): RequiredScope {
  return (route as { "x-required-scope"?: RequiredScope })["x-required-scope"] ?? "none";
}

/** Problems returned before the body is read or the resource is looked up. */
const refusals: readonly ProblemKind[] = [
  "unauthenticated",
  "insufficient-scope",
  "too-many-failed-logins",
  "at-capacity",
];

/** Problems are documented but not typed: handlers throw them, and the error handler builds the response body. */
type Documented<Route extends Definition> = Omit<Route, "scope" | "problems" | "conditional">;

function problemResponses(kinds: readonly ProblemKind[]) {
  const byStatus = Map.groupBy(new Set(kinds), (kind) => problemKinds[kind].status);
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      status,
      {
        description: names.map((name) => `${problemKinds[name].title} (${name})`).join("; "),
        content: { "application/problem+json": { schema: Problem } },
        ...getHeaders(status, names),
      },
    ]),
  );
}

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

const rateLimit = {
  "RateLimit-Policy": header(
    "Quotas of the API key, if it has any (draft-ietf-httpapi-ratelimit-headers-11)",
    '"jobs";q=200;w=2',
  ),
  RateLimit: header("Remaining quota, and seconds until it is replenished", '"jobs";r=150;t=1'),
};

function getHeaders(status: number, kinds: readonly ProblemKind[]) {
  if (status === 401) {
    const example = 'Bearer realm="Toril"';
    return { headers: { "WWW-Authenticate": header("The authentication scheme to use", example) } };
  }
  if (kinds.includes("quota-exceeded")) return { headers: { ...retryAfter, ...rateLimit } };
  return status === 429 || status === 503 ? { headers: retryAfter } : {};
}

/** Adds the rate limit headers to the successful responses. */
function withRateLimitHeaders(responses: RouteConfig["responses"]): RouteConfig["responses"] {
  return withHeaders(responses, rateLimit);
}

function withHeaders(responses: RouteConfig["responses"], headers: object) {
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

export const etag = {
  ETag: header("Version of the job, for `If-Match`", '"0-pending-0-0-0"'),
};

export const notModified = { description: "Not modified: an ETag of `If-None-Match` is current" };

export const replayed = {
  "Idempotency-Replayed": header(
    "`true` if this is the replayed response of an earlier request",
    "true",
  ),
};

export const IdempotencyKey = z.string().min(1).max(255).optional().meta({
  // No example: /docs would send it with every request.
  description:
    "Unique key of the request, for example `7f6c2b1e-order-1042`. A repeated request with the same key and body gets the original response",
});

/** Additional problems of an operation that accepts an Idempotency-Key. */
export const onceProblems = ["idempotency-key-in-use", "idempotency-key-reused"] as const;

export const TraceParent = z
  .string()
  .optional()
  .meta({ description: "W3C Trace Context; a valid value is propagated to the job" });

export function idParameter(name: string, schema: z.ZodType<string, string> = uuid) {
  return z.object({
    id: schema.meta({
      ...schema.meta(),
      param: { name: "id", in: "path" },
      description: `ID of the ${name}`,
    }),
  });
}

const uuid = z.uuid().meta({ example: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304" });

/** A query parameter with the values `true` and `false`, documented as a boolean. */
export function queryBoolean(description: string) {
  return z
    .enum(["true", "false"])
    .optional()
    .meta({ type: "boolean", description, example: false });
}

export const Prefer = z.string().optional().meta({
  description:
    "`wait=N`: wait up to N seconds (at most 60) for the job to finish before responding (RFC 7240)",
  example: "wait=20",
});

export const preferenceApplied = optional({
  "Preference-Applied": header("The preference that was applied", "wait=20"),
});

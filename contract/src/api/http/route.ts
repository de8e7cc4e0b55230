import { createRoute, type RouteConfig } from "@hono/zod-openapi";
import { z } from "zod";
import type { Scope } from "../scope.ts";
import { Problem, type ProblemKind, problemKinds } from "../problem.ts";

/** What a caller must be allowed to do; "none": anyone may. */
export type RequiredScope = Scope | "none";

export const securityScheme = "apiKey";

type Definition = Omit<RouteConfig, "operationId" | "summary" | "tags"> & {
  operationId: string;
  summary: string;
  tags: [string];
  scope: RequiredScope;
  /** What it is about has an ETag: the operation evaluates If-Match and If-None-Match (RFC 9110, section 13). */
  conditional?: true;
  /** Which problems this operation answers with, beside those that any can. */
  problems: readonly ProblemKind[];
};

/**
 * One operation as data. Every POST takes an Idempotency-Key. `operationId` in kebab-case names the producer's file in routes/.
 * @returns a route of @hono/zod-openapi with every problem as a documented response
 */
export function defineRoute<const Route extends Definition>(definition: Route) {
  const { scope, problems, conditional: _, ...route } = takingConditions(takingKey(definition));
  const documented: RouteConfig = {
    ...(route as RouteConfig),
    "x-required-scope": scope,
    security: scope === "none" ? [] : [{ [securityScheme]: [scope] }],
    responses: {
      ...(problems.includes("quota-exceeded") ? telling(route.responses) : route.responses),
      ...problemResponses([...(scope === "none" ? [] : refusals), ...problems, "internal-error"]),
    },
  };
  return createRoute(documented) as unknown as Documented<Route>;
}

/** A POST that says nothing of headers is repeated as all are. */
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
    method === "get" ? "304 when it is the current one" : "412 when it is the current one";
  const headers = z.object({
    "if-match": Condition.meta({ description: "ETags or `*`; 412 when none is the current one" }),
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

/** The operation's scope, as clients read it in the document. */
export function getRequiredScope(route: { path: string }): RequiredScope {
  return (route as { "x-required-scope"?: RequiredScope })["x-required-scope"] ?? "none";
}

/** Before the body or what exists is looked at. */
const refusals: readonly ProblemKind[] = [
  "unauthenticated",
  "insufficient-scope",
  "too-many-failed-logins",
  "at-capacity",
];

/** Problems are documented but not typed: handlers throw them, and one place makes their body. */
type Documented<Route extends Definition> = Omit<Route, "scope" | "problems" | "conditional">;

function problemResponses(kinds: readonly ProblemKind[]) {
  const byStatus = Map.groupBy(new Set(kinds), (kind) => problemKinds[kind].status);
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      status,
      {
        description: names.map((name) => `${problemKinds[name].title} (${name})`).join("; "),
        content: { "application/problem+json": { schema: Problem } },
        ...headersOf(status, names),
      },
    ]),
  );
}

export function header(description: string, example: string) {
  return { description, schema: { type: "string" as const }, example };
}

const retryAfter = {
  "Retry-After": header(
    "Seconds to wait before trying again; when a queue of the service is full, the time that it takes to empty",
    "1",
  ),
};

const rateLimit = {
  "RateLimit-Policy": header(
    "Of a key with quotas: what it may use (draft-ietf-httpapi-ratelimit-headers-11)",
    '"jobs";q=200;w=2',
  ),
  RateLimit: header("What is left of that, and in how many seconds more", '"jobs";r=150;t=1'),
};

function headersOf(status: number, kinds: readonly ProblemKind[]) {
  if (status === 401) {
    const example = 'Bearer realm="Toril"';
    return { headers: { "WWW-Authenticate": header("How to say who you are", example) } };
  }
  if (kinds.includes("quota-exceeded")) return { headers: { ...retryAfter, ...rateLimit } };
  return status === 429 || status === 503 ? { headers: retryAfter } : {};
}

/** What is accepted tells what is left of the quotas. */
function telling(responses: RouteConfig["responses"]): RouteConfig["responses"] {
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

/** Headers that not every answer has. */
export function optional(headers: Record<string, object>) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, one]) => [name, { ...one, required: false }]),
  );
}

export function locationBelow(path: string) {
  return { Location: header("The address of what was made", `${path}/{id}`) };
}

export const etag = {
  ETag: header("The version of the job, for If-Match", '"0-pending-0-0-0"'),
};

export const notModified = { description: "It still has an ETag of If-None-Match" };

export const replayed = {
  "Idempotency-Replayed": header("`true` when this is the answer to an earlier request", "true"),
};

export const IdempotencyKey = z.string().min(1).max(255).optional().meta({
  // No example: /docs would send it with every request.
  description:
    "Repeating a request with the same key and body gets the first one's answer. `7f6c2b1e-order-1042`, for example",
});

/** Which answers an operation with an Idempotency-Key has besides. */
export const onceProblems = ["idempotency-key-in-use", "idempotency-key-reused"] as const;

export const TraceParent = z
  .string()
  .optional()
  .meta({ description: "W3C Trace Context; carried into the job when it is valid" });

export function idParameter(name: string, schema: z.ZodType<string, string> = uuid) {
  return z.object({
    id: schema.meta({
      ...schema.meta(),
      param: { name: "id", in: "path" },
      description: `The id of the ${name}`,
    }),
  });
}

const uuid = z.uuid().meta({ example: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304" });

/** `true` or `false` in the query; clients see a boolean. */
export function queryBoolean(description: string) {
  return z
    .enum(["true", "false"])
    .optional()
    .meta({ type: "boolean", description, example: false });
}

export const Prefer = z.string().optional().meta({
  description:
    "`wait=N`: the answer comes as soon as the job ended, or after N seconds; 60 at most (RFC 7240)",
  example: "wait=20",
});

export const preferenceApplied = optional({
  "Preference-Applied": header("Which preference was heeded", "wait=20"),
});

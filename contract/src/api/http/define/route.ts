import { createRoute, type RouteConfig } from "@hono/zod-openapi";
import { z } from "zod";
import { getSufficientScopes, type Scope } from "../../access/scope.ts";
import { Problem, type ProblemKind, problemKinds } from "../../problem.ts";
import { problemHeaders, rateLimit, replayed, withHeaders } from "./headers.ts";
import { IdempotencyKey } from "./parameters.ts";

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
        ? withHeaders(route.responses, rateLimit)
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
        ...problemHeaders(status, names),
      },
    ]),
  );
}

/** Additional problems of an operation that accepts an Idempotency-Key. */
export const onceProblems = ["idempotency-key-in-use", "idempotency-key-reused"] as const;

/** Additional problems of an operation that accepts a batch with a job that runs when the batch is done. */
export const thenProblems = ["job-type-not-found", "data-too-large", "key-taken"] as const;

/** Problems of an operation that reads a JSON body, before the body is compared with its schema. */
export const bodyProblems = [
  "incomplete-body",
  "body-too-large",
  "unsupported-media-type",
  "invalid-json",
  "unstorable-json",
] as const;

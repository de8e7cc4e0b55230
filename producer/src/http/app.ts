import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import { fieldErrors } from "@toril/contract/api/problem";
import { anyKey, pageRules } from "../auth/access-rule.ts";
import type { Authorize } from "../auth/access.ts";
import type { Metrics } from "../observability/metrics.ts";
import { consolePath } from "../pages/console.ts";
import { dashboardPath } from "../pages/dashboard.ts";
import type { RequestMiddleware } from "./middleware.ts";
import { type ErrorHandler, ProblemError, problemResponse } from "./problem.ts";
import type { AnyRoute, AppEnv, RequestContext } from "./request-context.ts";
import type { HandledRoute } from "./route.ts";
import type { Hono } from "hono";

export interface AppDeps {
  authorize: Authorize;
  middleware: RequestMiddleware;
  onError: ErrorHandler;
  metrics: Metrics;
  routes: readonly HandledRoute[];
  docs: Hono<AppEnv>;
  pages: Hono<AppEnv>;
  console: Hono<AppEnv>;
  dashboard: Hono<AppEnv>;
}

/** Creates the router of all paths. */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const { authorize, middleware, onError, metrics } = deps;
  const app = new OpenAPIHono<AppEnv>({
    getPath: (_, options) => routingPath(options?.env),
    defaultHook: (result) => {
      if (result.success) return;
      throw new ProblemError("invalid-parameter", undefined, fieldErrors(result.error.issues));
    },
  });

  /** Requires a key where no rule of the path has been applied, so that only users learn which paths exist. */
  async function refuse(context: RequestContext, problem: ProblemError): Promise<Response> {
    const refusal = context.accessRule === undefined ? await authorize(context, anyKey) : undefined;
    return problemResponse(context, refusal ?? problem);
  }

  app.onError((error, c) => onError(error, c.env));
  app.notFound((c) => refuse(c.env, new ProblemError("not-found")));

  // The first match counts: `/v1/jobs/bulk` comes before `/v1/jobs/{id}`.
  const routes = deps.routes.toSorted((a, b) => getParameters(a) - getParameters(b));
  for (const [path, ofPath] of Map.groupBy(routes, ({ route }) => route.path)) {
    for (const { route, handler } of ofPath) {
      app.openapi({ ...withoutBody(route), middleware: middleware.of(route) }, handler);
    }
    const allowed = ofPath.flatMap(({ route }) => getMethods(route)).join(", ");
    app.all(path.replaceAll(/\{(\w+)\}/g, ":$1"), (c) =>
      refuse(
        c.env,
        new ProblemError("method-not-allowed", undefined, undefined, {
          headers: { Allow: allowed },
        }),
      ),
    );
  }

  for (const [path, rule] of Object.entries(pageRules)) {
    app.use(path, middleware.requireAccess(rule));
  }
  app.get("/metrics", async (c) =>
    c.body(await metrics.render(), 200, { "Content-Type": metrics.contentType }),
  );
  app.route("/", deps.docs);
  app.route("/", deps.pages);
  app.route(consolePath, deps.console);
  app.route(dashboardPath, deps.dashboard);
  return app;
}

/**
 * Returns the path as sent, without decoding.
 * Safe cast: only the pipeline calls the app, and it passes a RequestContext.
 */
function routingPath(env: object | undefined): string {
  const { path } = env as RequestContext;
  // Hono's TrieRouter takes a segment that equals a parameter's own name for two matches.
  return path.includes("/:") ? path.replaceAll("/:", "/%3A") : path;
}

function getParameters({ route }: HandledRoute) {
  return route.path.split("{").length;
}

function getMethods({ method }: AnyRoute): string[] {
  return method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()];
}

function withoutBody(route: AnyRoute): RouteConfig {
  const request = { ...route.request };
  delete request.body;
  return { ...route, request };
}

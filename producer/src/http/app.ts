import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import { Hono } from "hono";
import { RegExpRouter } from "hono/router/reg-exp-router";
import * as deadLetters from "@toril/contract/api/http/dead-letters";
import * as jobs from "@toril/contract/api/http/jobs";
import * as schedules from "@toril/contract/api/http/schedules";
import { fieldErrors } from "@toril/contract/api/problem";
import type { Metrics } from "../observability/metrics.ts";
import { dashboardPath } from "../pages/dashboard.ts";
import type { AppEnv } from "./app-env.ts";
import { notFoundProblem } from "./not-found.ts";
import { type ErrorHandler, ProblemError, problemResponse } from "./problem.ts";
import type { RequestContext } from "./request-context.ts";
import type { HandledRoute, Route } from "./route.ts";

export interface AppDeps {
  onError: ErrorHandler;
  metrics: Metrics;
  routes: readonly HandledRoute[];
  docs: Hono<AppEnv>;
  pages: Hono<AppEnv>;
  dashboard: Hono<AppEnv>;
}

/** Safe cast: only the pipeline calls the app, and it passes a RequestContext. */
function pathOf(env: object | undefined): string {
  return (env as RequestContext).path;
}

export function createApp(deps: AppDeps): OpenAPIHono<AppEnv> {
  const app = createRouter(deps);
  // A second router for routes below an id: RegExpRouter cannot tell them from paths without an id.
  const byId = createRouter(deps);

  for (const { route, handler } of deps.routes) {
    if (route === jobs.createJob) app.post(route.path, handler);
    else (isBelowId(route) ? byId : app).openapi(withoutBody(route), handler);
  }
  app.post(`${jobs.createJob.path}/*`, (c) => byId.fetch(c.req.raw, c.env));
  app.all(`${deadLetters.listDeadLetters.path}/*`, (c) => byId.fetch(c.req.raw, c.env));

  app.get("/metrics", async (c) =>
    c.body(await deps.metrics.render(), 200, { "Content-Type": deps.metrics.contentType }),
  );
  app.route("/", deps.docs);
  app.route("/", deps.pages);
  // A separate app, because RegExpRouter cannot compile the dashboard's routes together with the others.
  const dashboard = new Hono<AppEnv>().route(dashboardPath, deps.dashboard);
  dashboard.onError((error, c) => deps.onError(error, c.env));
  dashboard.notFound((c) => problemResponse(c.env, notFoundProblem(c.env.path)));
  app.all(`${dashboardPath}/*`, (c) => dashboard.fetch(c.req.raw, c.env));
  return app;
}

function isBelowId({ method, path }: Route) {
  return (
    path.startsWith(deadLetters.getDeadLetter.path) ||
    (method === "post" && path.startsWith(`${jobs.getJob.path}/`))
  );
}

/** Handlers read the body themselves: the framework treats a body of another content type as missing. */
function withoutBody(route: Route): RouteConfig {
  const request: RouteConfig["request"] = { ...("request" in route ? route.request : {}) };
  delete request.body;
  // RegExpRouter cannot tell the fixed path from `{name}`. The pipeline passes on known operations only, so no other
  // request gets here.
  const path =
    route === schedules.previewDefinition ? schedules.getSchedule.path : (route.path as string);
  return { ...route, path, request };
}

function createRouter({ onError }: Pick<AppDeps, "onError">): OpenAPIHono<AppEnv> {
  const router = new OpenAPIHono<AppEnv>({
    // RegExpRouter throws on ambiguous patterns, for which Hono's default router falls back to one that costs ten times
    // as much.
    router: new RegExpRouter(),
    // Routes by the path that access was decided for.
    getPath: (_, options) => pathOf(options?.env),
    defaultHook: (result) => {
      if (result.success) return;
      throw new ProblemError("invalid-parameter", undefined, fieldErrors(result.error.issues));
    },
  });
  router.onError((error, c) => onError(error, c.env));
  router.notFound((c) => problemResponse(c.env, notFoundProblem(c.env.path)));
  return router;
}

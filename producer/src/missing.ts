import type { Context } from "hono";
import { routes } from "@toril/contract/http";
import type { AppEnv } from "./app-env.ts";
import { ProblemError, problemResponse } from "./problem.ts";

const served = routes.map(({ method, path }) => ({
  methods: method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()],
  pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
}));

/** Answers what no route serves: another method, or nothing at all. */
export function missing(c: Context<AppEnv>): Response {
  const methods = served.flatMap(({ methods, pattern }) =>
    pattern.test(c.req.path) ? methods : [],
  );
  if (methods.length === 0) return problemResponse(c, new ProblemError("not-found"));
  c.header("Allow", methods.join(", "));
  return problemResponse(c, new ProblemError("method-not-allowed"));
}

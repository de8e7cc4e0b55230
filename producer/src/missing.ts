import type { Context } from "hono";
import type { AppEnv } from "./app-env.ts";
import { methodsAt } from "./operations.ts";
import { ProblemError, problemResponse } from "./problem.ts";

/** Answers what no route serves: another method, or nothing at all. */
export function missing(c: Context<AppEnv>): Response {
  const methods = methodsAt(c.req.path);
  if (methods.length === 0) return problemResponse(c, new ProblemError("not-found"));
  c.header("Allow", methods.join(", "));
  return problemResponse(c, new ProblemError("method-not-allowed"));
}

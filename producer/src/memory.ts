import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./app-env.ts";
import { ProblemError } from "./problem.ts";

/** Bounds what the bodies of all requests together hold: each takes its share, and gives it back with its answer. */
export function boundMemory(maxBytes: number): MiddlewareHandler<AppEnv> {
  let taken = 0;
  return async (c, next) => {
    let own = 0;
    c.set("takeMemory", (bytes) => {
      if (taken + bytes > maxBytes) {
        throw new ProblemError("at-capacity", "Nothing was stored. Try again.");
      }
      own += bytes;
      taken += bytes;
    });
    await next();
    taken -= own;
  };
}

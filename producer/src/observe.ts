import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Logger } from "pino";
import type { AppEnv } from "./app-env.ts";
import type { Metrics } from "./metrics.ts";

/** Gives every request an id, in the answer and in every log line; counts and times it. */
export function observe(log: Logger, metrics: Metrics): MiddlewareHandler<AppEnv> {
  const prefix = crypto.randomUUID().slice(0, 8);
  let count = 0;

  return async (c, next) => {
    const startedAt = performance.now();
    const given = c.req.header("x-request-id");
    count += 1;
    const requestId = given && isPlain(given) ? given : `${prefix}-${count.toString(36)}`;
    c.set("requestId", requestId);
    c.header("X-Request-Id", requestId);
    await next();
    const ms = performance.now() - startedAt;
    const { method } = c.req;
    const { status } = c.res;
    metrics.request({ method, route: routePath(c, -1), status, problem: c.get("problem") }, ms);
    const level = status >= 500 ? "warn" : "debug";
    // Asked first: at thousands of requests a second even the object for a line that is not written shows.
    if (log.isLevelEnabled(level)) {
      log[level](
        { requestId, jobId: c.get("jobId"), method, path: c.req.path, status, ms },
        "answered",
      );
    }
  };
}

function isPlain(id: string) {
  return id.length <= 128 && /^[\w.:-]+$/.test(id);
}

import type { Hono } from "hono";
import type { Logger } from "pino";
import type { AppEnv } from "./app-env.ts";
import { Exchange } from "./exchange.ts";
import type { MemoryBudget } from "./memory.ts";
import type { Metrics } from "./metrics.ts";
import { findOperation } from "./operations.ts";

export interface GateDeps {
  app: Hono<AppEnv>;
  log: Logger;
  metrics: Metrics;
  memory: MemoryBudget;
}

/**
 * What every request goes through: it gets an id, in the answer and in every log line, and is counted and timed.
 * Around the framework, because each middleware would cost as much as all that is done here.
 */
export function createGate({ app, log, metrics, memory }: GateDeps) {
  const prefix = crypto.randomUUID().slice(0, 8);
  let count = 0;

  return async (request: Request): Promise<Response> => {
    const startedAt = performance.now();
    const { method } = request;
    const given = request.headers.get("x-request-id");
    count += 1;
    const requestId = given && isPlain(given) ? given : `${prefix}-${count.toString(36)}`;
    const exchange = new Exchange(requestId, memory);
    const response = await app.fetch(request, exchange);
    exchange.end();
    response.headers.set("X-Request-Id", requestId);
    const ms = performance.now() - startedAt;
    const path = pathOf(request.url);
    const route = findOperation(method, path)?.path ?? "other";
    const { status } = response;
    const { problem } = exchange;
    metrics.request({ method, route, status, problem }, ms);
    const level = status >= 500 ? "warn" : "debug";
    // Asked first: at thousands of requests a second even the object for a line that is not written shows.
    if (log.isLevelEnabled(level)) {
      log[level]({ requestId, jobId: exchange.jobId, method, path, status, ms }, "answered");
    }
    return response;
  };
}

/** Of an address with a host. */
function pathOf(url: string) {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", start);
  return end === -1 ? url.slice(start) : url.slice(start, end);
}

function isPlain(id: string) {
  return id.length <= 128 && /^[\w.:-]+$/.test(id);
}

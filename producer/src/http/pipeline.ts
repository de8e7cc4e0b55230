import type { Hono } from "hono";
import type { Logger } from "pino";
import * as jobs from "@toril/contract/api/http/jobs";
import { traceIdOf } from "@toril/contract/engine/tracing/traceparent";
import type { AppEnv } from "./app-env.ts";
import type { Audit } from "../audit/audit.ts";
import { auditedRequest, isAudited } from "../audit/audited-request.ts";
import type { Access } from "../auth/access.ts";
import { RequestContext, type Peer } from "./request-context.ts";
import type { MemoryBudget } from "./memory.ts";
import type { Metrics } from "../observability/metrics.ts";
import { findOperation, type Operation } from "../operations/operations.ts";
import { type ErrorHandler, problemResponse } from "./problem.ts";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import { refuseNul } from "./refuse-nul.ts";
import { pathOf } from "./target.ts";
import { isRepeated, type Repeat } from "../idempotency/replay.ts";
import type { Tracing } from "../observability/tracing.ts";

export interface PipelineDeps {
  app: Hono<AppEnv>;
  createJob(exchange: RequestContext): Promise<Response>;
  onError: ErrorHandler;
  log: Logger;
  metrics: Metrics;
  memory: MemoryBudget;
  access: Access;
  findQuota: FindQuota;
  repeat: Repeat;
  audit: Audit;
  /** Returns the address of the client behind trusted proxies. */
  clientAddress(socketAddress: string, request: Request): string;
  tracing?: Tracing | undefined;
}

export interface Pipeline {
  answer(request: Request, peer: Peer): Promise<Response>;
  /** Handles `POST /v1/jobs` only, for a server that routes it natively. */
  createJob(request: Request, peer: Peer): Promise<Response>;
}

type Handler = (exchange: RequestContext) => Response | Promise<Response>;

/**
 * Creates the pipeline of every request: request id, authentication, audit, tracing, metrics and log. The pipeline
 * wraps the framework, because as middleware each step would cost as much as all of them do here.
 */
export function createPipeline(deps: PipelineDeps): Pipeline {
  const {
    app,
    createJob,
    onError,
    log,
    metrics,
    memory,
    access,
    audit,
    findQuota,
    repeat,
    clientAddress,
    tracing,
  } = deps;
  const prefix = crypto.randomUUID().slice(0, 8);
  let count = 0;

  async function pass(
    request: Request,
    peer: Peer,
    path: string,
    operation: Operation | undefined,
    handle: Handler,
  ): Promise<Response> {
    const startedAt = performance.now();
    const { method } = request;
    const given = request.headers.get("x-request-id");
    count += 1;
    const requestId = given && isPlain(given) ? given : `${prefix}-${count.toString(36)}`;
    const address = () => clientAddress(peer.address, request);
    const exchange = new RequestContext(request, {
      requestId,
      path,
      memory,
      findQuota,
      address,
      peer,
    });
    const trace = tracing?.begin(method, request.headers.get("traceparent"));
    exchange.traceparent = trace?.traceparent;
    let response: Response;
    try {
      const asked = access(exchange, operation);
      const refusal = asked instanceof Promise ? await asked : asked;
      if (refusal === undefined && operation !== undefined && isAudited(operation)) {
        exchange.trail = audit.begin(auditedRequest(exchange, operation));
      }
      response =
        refusal === undefined ? await handle(exchange) : problemResponse(exchange, refusal);
    } catch (error) {
      response = onError(error, exchange);
    }
    if (exchange.isAudited) await exchange.trail.end(exchange.problem ?? outcomeOf(response));
    exchange.end();
    response.headers.set("X-Request-Id", requestId);
    const { rateLimit } = exchange;
    if (rateLimit !== undefined) {
      response.headers.set("RateLimit-Policy", rateLimit.policy);
      response.headers.set("RateLimit", rateLimit.limit);
    }
    const ms = performance.now() - startedAt - exchange.waitedMs;
    const { status } = response;
    const route = operation?.path ?? "other";
    const { problem, jobId, tenant } = exchange;
    metrics.request({ method, route, status }, problem, ms);
    trace?.end({ route, path, status, problem, requestId, jobId });
    const level = status >= 500 ? "warn" : "debug";
    // Checking the level first avoids building an object for a log line that is not written, measurable at thousands of
    // requests a second.
    if (log.isLevelEnabled(level)) {
      const traceId = traceIdOf(trace?.traceparent ?? request.headers.get("traceparent"));
      log[level]({ requestId, traceId, tenant, jobId, method, path, status, ms }, "answered");
    }
    return response;
  }

  return {
    answer(request, peer) {
      const path = pathOf(request.url);
      const operation = findOperation(request.method, path);
      return pass(request, peer, path, operation, (exchange) => {
        if (operation !== undefined && 400 in operation.responses) refuseNul(request.url);
        const handle = async () => app.fetch(request, exchange);
        return operation !== undefined && isRepeated(operation, request)
          ? repeat(exchange, handle)
          : app.fetch(request, exchange);
      });
    },
    createJob: (request, peer) =>
      pass(request, peer, jobs.createJob.path, jobs.createJob, createJob),
  };
}

/** Outcome of a request that ended without a problem. */
function outcomeOf({ headers }: Response) {
  return headers.has("Idempotency-Replayed") ? "replayed" : "done";
}

function isPlain(id: string) {
  return id.length <= 128 && /^[\w.:-]+$/.test(id);
}

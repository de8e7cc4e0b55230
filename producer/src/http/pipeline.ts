import type { Hono } from "hono";
import type { Logger } from "pino";
import type { Api } from "@toril/contract/api/http/index";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { BatchRefused } from "@toril/contract/engine/batcher";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import { getTraceId } from "@toril/contract/engine/tracing/traceparent";
import type { Authorize } from "../auth/access.ts";
import { toAccessRule } from "../auth/access-rule.ts";
import { isConsoleRequest } from "../auth/console-session.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Tracing } from "../observability/tracing.ts";
import type { Admission } from "./admission.ts";
import type { MemoryBudget, ReadPace } from "./memory.ts";
import { type ErrorHandler, type ProblemError, problemResponse } from "./problem.ts";
import { type AppEnv, type ClientConnection, getPath, RequestContext } from "./request-context.ts";

export interface PipelineDeps {
  jobTypes: JobTypeRegistry;
  api: Pick<Api, "createJob" | "createJobs">;
  app: Hono<AppEnv>;
  createJob(context: RequestContext): Promise<Response>;
  bulkAdmission: Pick<Admission, "findRetryMs">;
  authorize: Authorize;
  onError: ErrorHandler;
  log: Logger;
  metrics: Metrics;
  memory: MemoryBudget;
  readPace: ReadPace;
  findQuota: FindQuota;
  /** Returns the address of the client behind trusted proxies. */
  clientAddress(socketAddress: string, request: Request): string;
  tracing?: Tracing | undefined;
}

export interface Pipeline {
  handle(request: Request, connection: ClientConnection): Promise<Response>;
  /** Handles `POST /v1/jobs` without the framework, for a server that routes it natively. */
  createJob(request: Request, connection: ClientConnection): Promise<Response>;
}

/** The outer part of every request: request id, tracing, errors, headers of the response, metrics and log. */
export function createPipeline(deps: PipelineDeps): Pipeline {
  const { app, api, createJob, authorize, onError, log, metrics, tracing } = deps;
  const { jobTypes, memory, readPace, findQuota, bulkAdmission } = deps;
  const prefix = crypto.randomUUID().slice(0, 8);
  let count = 0;

  function getRequestId({ headers }: Request): string {
    const requested = headers.get("x-request-id");
    count += 1;
    return requested && isPlain(requested) ? requested : `${prefix}-${count.toString(36)}`;
  }

  async function observe(
    request: Request,
    connection: ClientConnection,
    path: string,
    respond: (context: RequestContext) => Response | Promise<Response>,
  ): Promise<Response> {
    const startedAt = performance.now();
    const { method } = request;
    const requestId = getRequestId(request);
    const address = () => deps.clientAddress(connection.address, request);
    const context = new RequestContext(request, {
      requestId,
      path,
      jobTypes,
      memory,
      readPace,
      findQuota,
      address,
      connection,
    });
    const trace = tracing?.begin(method, request.headers.get("traceparent"));
    context.traceparent = trace?.traceparent;
    let response: Response;
    try {
      response = await respond(context);
    } catch (error) {
      response = onError(error, context);
    }
    context.releaseMemory();
    setHeaders(response, context);
    const ms = performance.now() - startedAt - context.waitedMs;
    const { status } = response;
    const route = context.route?.path ?? "other";
    const { problem, jobId, tenant } = context;
    metrics.request({ method, route, status }, problem, ms);
    trace?.end({ route, path, status, problem, requestId, jobId });
    const level = status >= 500 ? "warn" : "debug";
    // Checking the level first avoids building an object for a log line that is not written, measurable at thousands of
    // requests a second.
    if (log.isLevelEnabled(level)) {
      const traceId = getTraceId(trace?.traceparent ?? request.headers.get("traceparent"));
      log[level](
        { requestId, traceId, tenant, jobId, method, path, status, ms },
        "request completed",
      );
    }
    return response;
  }

  const createJobRule = toAccessRule(api.createJob);

  function createJobIfAuthorized(context: RequestContext): Response | Promise<Response> {
    context.route = api.createJob;
    const respond = (refusal: ProblemError | undefined) =>
      refusal === undefined ? createJob(context) : problemResponse(context, refusal);
    const refusal = authorize(context, createJobRule);
    return refusal instanceof Promise ? refusal.then(respond) : respond(refusal);
  }

  /**
   * Refuses a bulk request at capacity before anything else: refusing must cost far less than accepting, or a flood takes
   * the processor from the requests in progress.
   */
  function refuseEarly(request: Request, path: string): Response | undefined {
    if (path !== api.createJobs.path || request.method !== "POST") return undefined;
    const retryMs = bulkAdmission.findRetryMs(Number(request.headers.get("content-length") ?? 0));
    if (retryMs === undefined) return undefined;
    const requestId = getRequestId(request);
    const failed = { request, requestId, path, problem: undefined };
    const response = onError(new BatchRefused("full", retryMs), failed);
    setHeaders(response, { requestId });
    metrics.request({ method: "POST", route: path, status: response.status }, "at-capacity", 0);
    logRefusals();
    return response;
  }

  let refusals = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;

  /** Logs one line a second, because a line costs more than a refusal. */
  function logRefusals() {
    refusals += 1;
    const now = performance.now();
    if (now - loggedAt < 1000) return;
    log.warn({ refusals }, "bulk requests refused at capacity");
    loggedAt = now;
    refusals = 0;
  }

  async function handle(request: Request, connection: ClientConnection): Promise<Response> {
    const path = getPath(request.url);
    const refusal = refuseEarly(request, path);
    if (refusal !== undefined) return refusal;
    return observe(request, connection, path, (context) => app.fetch(request, context));
  }

  return {
    handle,
    createJob: (request, connection) =>
      // The middleware audits requests of the console.
      isConsoleRequest(request.headers)
        ? handle(request, connection)
        : observe(request, connection, api.createJob.path, createJobIfAuthorized),
  };
}

/** Sets the headers of every response. */
function setHeaders(
  { headers }: Response,
  {
    requestId,
    rateLimit,
  }: Pick<RequestContext, "requestId"> & Partial<Pick<RequestContext, "rateLimit">>,
) {
  headers.set("X-Request-Id", requestId);
  if (rateLimit === undefined) return;
  headers.set("RateLimit-Policy", rateLimit.policy);
  headers.set("RateLimit", rateLimit.limit);
}

function isPlain(id: string) {
  return id.length <= 128 && /^[\w.:-]+$/.test(id);
}

import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import { createNewJob, type NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { toResponse } from "@toril/contract/engine/jobs/insert/insert-entries";
import type { Api } from "@toril/contract/api/http/index";
import type { AcceptedJob, CheckedJob } from "@toril/contract/api/jobs/accepted-job";
import { limits } from "@toril/contract/api/limits";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import { parseJobRequest } from "@toril/contract/api/jobs/parse-job-request";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { StoredResponse } from "@toril/contract/engine/postgres/idempotency";
import { fieldErrors } from "@toril/contract/api/problem";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { z } from "zod";
import { readJson } from "../http/body.ts";
import { getOrigin, refreshJobTypes, requirePermitted } from "../http/caller.ts";
import type { AwaitJob } from "../events/wait-for-end.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { FindCallbacks } from "../webhooks/find-callbacks.ts";
import { createClaim, toReplay } from "../idempotency/claim.ts";
import { hasUnknownType, toJobProblem } from "./job-problem.ts";
import { ProblemError } from "../http/problem.ts";

type JobResponse = StoredResponse & { body: AcceptedJob; status: 200 | 201 | 202 };

/** Safe cast: the fingerprint includes the target, so only this route stored the response. */
function asOwnResponse(response: StoredResponse): JobResponse {
  return response as JobResponse;
}

/** Creates the handler of `POST /v1/jobs`. It bypasses the framework, which would be a sixth of the cost of a request. */
export function createJobHandler(
  route: Api["createJob"],
  enqueue: Enqueue,
  secretKeys: KeyRing | undefined,
  awaitJob: AwaitJob,
  findCallbacks: FindCallbacks,
): (context: RequestContext) => Promise<Response> {
  return async (context) => {
    const { quota } = context;
    if (quota !== undefined) await quota.takeJobs(1);
    const value = await readJson(context, limits.bodyBytes, quota);
    const isDryRun = parseQuery(route, context.request.url).dryRun === "true";
    if (isDryRun) context.changesNothing();
    const request = parseRequest(context.jobTypes, value) ?? (await parseAgain(context, value));
    const origin = getOrigin(context);
    if (request.callbackUrl !== undefined) origin.callbacks = await findCallbacks(context);
    const made = createNewJob(context.jobTypes, request, origin, secretKeys);
    if (made.status === "refused") throw new ProblemError(made.kind, made.detail, made.errors);
    const { job } = made;
    requirePermitted(context, job);
    const claim = createClaim(context, secretKeys);
    if (isDryRun) {
      const headers = { "Content-Type": "application/json" };
      return new Response(JSON.stringify(toChecked(job)), { headers });
    }
    const outcome = await (quota === undefined
      ? enqueue.one({ job, claim })
      : quota.withReserved(1, () => enqueue.one({ job, claim })));
    if (outcome.status === "unstorable") throw new ProblemError("unstorable-json");
    const isReplay = outcome.status !== "accepted";
    const { body, status } = asOwnResponse(
      isReplay ? toReplay(outcome) : toResponse(outcome.job, outcome.isDispatched),
    );
    context.jobId = body.id;
    let response = new Response(JSON.stringify(body), { status });
    if (context.request.headers.has("prefer")) {
      // A duplicate and a replayed response may be of a job that was retried since.
      const generation = !isReplay && body.outcome === "created" ? 0 : undefined;
      const waited = await awaitJob(context, { id: body.id, queue: body.queue, generation });
      if (waited !== undefined) {
        const { headers, job } = waited;
        response = new Response(JSON.stringify(job ?? body), { status: job ? 200 : 202, headers });
      }
    }
    // Headers of an object would cost a quarter more.
    const { headers } = response;
    headers.set("Content-Type", "application/json");
    headers.set("Location", `/v1/jobs/${body.id}`);
    if (isReplay) headers.set("Idempotency-Replayed", "true");
    return response;
  };
}

function parseQuery(
  route: Api["createJob"],
  url: string,
): z.output<Api["createJob"]["request"]["query"]> {
  const start = url.indexOf("?");
  if (start === -1) return {};
  const query = Object.fromEntries(new URLSearchParams(url.slice(start)));
  const parsed = route.request.query.safeParse(query);
  if (parsed.success) return parsed.data;
  throw new ProblemError("invalid-parameter", undefined, fieldErrors(parsed.error.issues));
}

function toChecked({ type, queue, key, runAt, expiresAt }: NewJob): CheckedJob {
  const times = {
    runAt: runAt?.toISOString() ?? null,
    expiresAt: expiresAt?.toISOString() ?? null,
  };
  return { dryRun: true, type, queue, key, ...times };
}

/** Throws the problem of an invalid request; returns undefined for an unknown job type. */
function parseRequest(jobTypes: JobTypeRegistry, value: unknown): JobRequest | undefined {
  const parsed = parseJobRequest(jobTypes, value);
  if (parsed.success) return parsed.data;
  if (hasUnknownType(jobTypes, value)) return undefined;
  throw toRefusal(jobTypes, value, parsed.error);
}

/** The type may have been registered at another producer a moment ago. */
async function parseAgain(context: RequestContext, value: unknown): Promise<JobRequest> {
  await refreshJobTypes(context);
  const { jobTypes } = context;
  const parsed = parseJobRequest(jobTypes, value);
  if (parsed.success) return parsed.data;
  throw toRefusal(jobTypes, value, parsed.error);
}

function toRefusal(jobTypes: JobTypeRegistry, value: unknown, error: z.ZodError): ProblemError {
  const { kind, detail, errors } = toJobProblem(jobTypes, value, error);
  return new ProblemError(kind, detail, errors);
}

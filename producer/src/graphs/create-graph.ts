import type { Api } from "@toril/contract/api/http/index";
import type { AcceptedGraph } from "@toril/contract/api/http/jobs/graphs";
import { limits } from "@toril/contract/api/limits";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import { type Accepted, toResponse } from "@toril/contract/engine/jobs/insert/insert-entries";
import type { StoredResponse } from "@toril/contract/engine/postgres/idempotency";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Admission } from "../http/admission.ts";
import { readJsonBytes } from "../http/body.ts";
import { getOrigin, requirePermitted } from "../http/caller.ts";
import { ProblemError } from "../http/problem.ts";
import type { OperationHandler } from "../http/route.ts";
import { createLargeClaim, toReplay } from "../idempotency/claim.ts";
import {
  type FindCallbacks,
  mayHaveCallback,
  requireCallbackScope,
} from "../webhooks/find-callbacks.ts";
import { toKeyTaken } from "../jobs/then-job.ts";
import { parseGraph } from "./parse-graph.ts";

export interface CreateGraphDeps {
  enqueue: Enqueue;
  secretKeys: KeyRing | undefined;
  admission: Admission;
  findCallbacks: FindCallbacks;
}

type Context = Parameters<OperationHandler<Api["createGraph"]>>[0];
type GraphResponse = StoredResponse & { body: AcceptedGraph; status: 200 | 201 | 202 };

/** Safe cast: the fingerprint includes the target, so only this route stored the response. */
function asOwnResponse(response: StoredResponse): GraphResponse {
  return response as GraphResponse;
}

/** Creates the handler that enqueues a graph. It counts as a bulk request. */
export function createGraphHandler(deps: CreateGraphDeps): OperationHandler<Api["createGraph"]> {
  const { enqueue, secretKeys, admission, findCallbacks } = deps;

  async function enqueueGraph(c: Context, bytes: Uint8Array) {
    const { quota, jobTypes } = c.env;
    const claim = await createLargeClaim(c.env, secretKeys);
    const origin = getOrigin(c.env);
    if (mayHaveCallback(bytes)) {
      origin.callbacks = await findCallbacks(c.env, undefined, false);
    }
    const graph = await parseGraph(bytes, { jobTypes, origin, secretKeys });
    c.env.body = undefined;
    const jobs = [...graph.keys()];
    for (const job of jobs) requirePermitted(c.env, job);
    requireCallbackScope(c.env, jobs);
    await quota?.takeJobs(jobs.length - 1);
    const store = () => enqueue.many({ jobs, isGraph: true, claim, toResponse: toGraphResponse });
    const outcome = await (quota === undefined ? store() : quota.withReserved(jobs.length, store));
    if (outcome.status === "unstorable") throw new ProblemError("unstorable-json");
    if (outcome.status === "key-taken") {
      throw toKeyTaken(`${graph.get(outcome.job) ?? ""}/job`, outcome.existing);
    }
    const isReplay = outcome.status !== "accepted";
    const { body, status } = asOwnResponse(
      isReplay ? toReplay(outcome) : toGraphResponse(outcome.jobs, outcome.isDispatched),
    );
    c.env.jobId = body.id;
    return c.json(body, status, {
      Location: `/v1/jobs/${body.id}`,
      ...(isReplay ? { "Idempotency-Replayed": "true" } : {}),
    });
  }

  return async (c) => {
    const { quota, principal } = c.env;
    admission.refuseIfLate(principal, Number(c.req.header("content-length") ?? 0));
    await quota?.takeJobs(1);
    const bytes = await readJsonBytes(c.env, limits.graphBodyBytes, quota);
    admission.refuseIfLate(principal, bytes.length);
    return admission.track(principal, bytes.length, enqueueGraph(c, bytes));
  };
}

function toGraphResponse(accepted: readonly Accepted[], isDispatched: boolean): StoredResponse {
  const [root] = accepted;
  if (root === undefined) throw new Error("the root of the graph has no outcome");
  const { status } = toResponse(root.job, isDispatched);
  return { status, body: { ...root.job, jobs: root.isNew ? accepted.length : 0 } };
}

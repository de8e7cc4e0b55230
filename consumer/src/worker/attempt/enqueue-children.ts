import type { ApiKeyColumns, JobColumns } from "@toril/contract/engine/postgres/tables";
import type { RemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import type { DispatchEntry } from "@toril/contract/engine/redis/scripts/dispatch";
import type { Remove } from "@toril/contract/engine/redis/scripts/remove";
import { createBreakers } from "@toril/contract/engine/jobs/enqueue/breaker";
import { createDispatcher } from "@toril/contract/engine/jobs/enqueue/dispatcher";
import { createEnqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import { createRecordUndispatched } from "@toril/contract/engine/jobs/enqueue/undispatched-ledger";
import {
  createNewJob,
  type NewJob,
  type Origin,
} from "@toril/contract/engine/jobs/enqueue/new-job";
import {
  awaitCallbackReceivers,
  type Callbacks,
  readCallbackReceivers,
} from "@toril/contract/engine/webhooks/callbacks";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import { parseJobRequest } from "@toril/contract/api/jobs/parse-job-request";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { findUnstorable } from "@toril/contract/api/json/json";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import { problemKinds } from "@toril/contract/api/problem";
import type { KeyQuota } from "@toril/contract/engine/quotas/key-quota";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { createScrub } from "@toril/contract/engine/secrets/scrub";
import { z } from "zod";
import { type EnqueuedChildren, type HandlerContext, RetryAfterError } from "../handler.ts";
import type { Log } from "../../observability/log.ts";

export interface EnqueueChildrenDeps {
  jobTypes: JobTypeRegistry;
  ledger: Ledger;
  dispatch(queue: string, jobs: readonly DispatchEntry[]): Promise<unknown>;
  remove: Remove;
  removeFromRedis: RemoveFromRedis;
  secretKeys: KeyRing | undefined;
  findQuota: FindQuota;
  /** Rejects while the Redis of the queue is unavailable. */
  probe(queue: string): Promise<unknown>;
  onRedisAvailable(): void;
  log: Log;
}

/** Jobs per transaction; keeps locks short. */
const chunkSize = 500;
/** Time that a handler waits for Postgres before the attempt fails. */
const timeoutMs = 10_000;
const probeEveryMs = 1000;
/** Minimum delay of a job whose API key has exhausted a quota. */
const quotaRetryMs = 5000;
/** Maximum number of undispatched jobs while Redis is unavailable; the reconciler dispatches them. */
const maxUndispatched = 10_000;

type OwnerRow = Pick<JobColumns, "tenant" | "type" | "quotaKey"> & Pick<ApiKeyColumns, "quotas">;

interface Owner {
  origin: Origin;
  type: string;
  quota?: KeyQuota;
}

/** Creates `enqueue` for handlers, with the same checks as for clients. */
export function createEnqueueChildren(deps: EnqueueChildrenDeps) {
  const {
    jobTypes,
    ledger,
    dispatch,
    remove,
    removeFromRedis,
    secretKeys,
    findQuota,
    probe,
    onRedisAvailable,
    log,
  } = deps;
  const breakers = createBreakers({
    probe,
    probeEveryMs,
    onChange(queue, availability, error) {
      if (availability === "available") onRedisAvailable();
      else log.warn({ err: error, queue }, `Redis is ${availability}: jobs are dispatched later`);
    },
  });
  const dispatcher = createDispatcher({
    dispatch,
    remove,
    removeFromRedis,
    breakers,
    recordUndispatched: createRecordUndispatched(ledger),
    maxUndispatched,
  });
  const { many } = createEnqueue({ ledger, dispatcher, timeoutMs });

  /** Finds the tenant and API key on whose behalf a job enqueues. */
  async function findOwner(id: string): Promise<Owner> {
    const [row] = await ledger.run(
      (sql) => sql<OwnerRow[]>`
        select jobs.tenant, jobs.type, quota_key as "quotaKey", api_keys.quotas
        from jobs left join api_keys on api_keys.id = quota_key where jobs.id = ${id}`,
    );
    if (row === undefined) throw new Error("the parent job no longer exists in the ledger");
    const { tenant, type, quotaKey, quotas } = row;
    if (quotaKey === null || quotas === null) return { origin: { tenant }, type };
    return { origin: { tenant, quotaKey }, type, quota: findQuota(quotaKey, quotas) };
  }

  async function findCallbacks(tenant: string): Promise<Callbacks> {
    const receivers = await awaitCallbackReceivers(() =>
      ledger.run((sql) => readCallbackReceivers(sql, tenant)),
    );
    return { receivers };
  }

  async function enqueue(
    requests: readonly JobRequest[],
    owner: Origin,
  ): Promise<EnqueuedChildren> {
    const hasCallbacks = requests.some(({ callbackUrl }) => callbackUrl !== undefined);
    const callbacks = hasCallbacks ? await findCallbacks(owner.tenant) : undefined;
    const origin = { ...owner, callbacks };
    const children: EnqueuedChildren = { created: 0, duplicate: 0, refused: [] };
    for (let start = 0; start < requests.length; start += chunkSize) {
      const jobs: NewJob[] = [];
      for (const [offset, request] of requests.slice(start, start + chunkSize).entries()) {
        const checked = toNewJob(jobTypes.forTenant(origin.tenant), request, origin, secretKeys);
        if (checked.status === "ok") jobs.push(checked.job);
        else children.refused.push({ index: start + offset, detail: checked.detail });
      }
      const outcome = await many({ jobs });
      if (outcome.status !== "accepted")
        throw new Error(`failed to enqueue jobs: ${outcome.status}`);
      for (const { isNew } of outcome.jobs) children[isNew ? "created" : "duplicate"] += 1;
    }
    return children;
  }

  return {
    /** Checks the quotas of the parent's API key; throws `RetryAfterError` when they are exhausted. */
    async admit(parent: string, traceparent?: string): Promise<HandlerContext["enqueue"]> {
      const { origin, type, quota } = await findOwner(parent);
      const refusal = await quota?.admitChildren(type);
      if (refusal !== undefined) {
        const waitMs = Math.max(quotaRetryMs, refusal.waitMs);
        throw new RetryAfterError(new Date(Date.now() + waitMs), refusal.detail);
      }
      const tracedOrigin = { ...origin, trace: traceparent };
      return async (requests) => {
        await quota?.reserveChildren(requests.length);
        return enqueue(requests, tracedOrigin);
      };
    },
    /** Dispatches jobs that another part has inserted. */
    dispatch: (jobs: readonly NewJob[]) => dispatcher.dispatch(jobs),
    removeWaiting: dispatcher.removeWaiting,
    close: () => breakers.close(),
  };
}

type CheckedRequest = { status: "ok"; job: NewJob } | { status: "refused"; detail: string };

function toNewJob(
  jobTypes: JobTypeRegistry,
  request: JobRequest,
  origin: Origin,
  keys: KeyRing | undefined,
): CheckedRequest {
  const parsed = parseJobRequest(jobTypes, request);
  if (!parsed.success) {
    const findSecrets = jobTypes.find(request.type)?.findSecrets;
    const scrub = findSecrets && createScrub(request.data, findSecrets);
    const detail = z.prettifyError(parsed.error);
    return { status: "refused", detail: scrub?.text(detail) ?? detail };
  }
  const unstorable = findUnstorable(parsed.data.data, 0);
  if (unstorable !== undefined) {
    return { status: "refused", detail: `${unstorable.pointer}: ${unstorable.detail}` };
  }
  const created = createNewJob(jobTypes, parsed.data, origin, keys);
  if (created.status === "ok") return created;
  return { status: "refused", detail: created.detail ?? problemKinds[created.kind].title };
}

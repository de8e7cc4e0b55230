import type { Logger } from "pino";
import { bullId } from "@toril/contract/engine/redis/names";
import type { JobStatus } from "@toril/contract/api/jobs/job-states";
import type { Job } from "@toril/contract/api/jobs/job";
import { limits } from "@toril/contract/api/limits";
import type { RequestContext } from "../http/request-context.ts";
import type { EventHub } from "./hub/event-hub.ts";
import type { ConnectionLimit } from "./connection-limit.ts";
import type { ReadJob } from "../jobs/live-jobs.ts";

/**
 * Waits until the job has ended, the time is up or the client has disconnected. Undefined if the client did not ask to wait, or
 * too many requests wait already.
 */
export type WaitForEnd = (
  context: RequestContext,
  job: WaitTarget & { status: JobStatus },
) => Promise<WaitResult | undefined>;

/** `generation` is undefined if unknown; the wait then needs one more read. */
interface WaitTarget {
  id: string;
  queue: string;
  generation: number | undefined;
}

export interface WaitResult {
  /** The client has disconnected, so nobody reads a response. */
  isGone: boolean;
  headers: { "Preference-Applied": string };
}

/** Creates the wait for `Prefer: wait=<seconds>` (RFC 7240). */
export function createWaitForEnd(hub: EventHub, limit: ConnectionLimit): WaitForEnd {
  return async (context, { id, queue, generation, status }) => {
    const seconds = parseWaitSeconds(context.request.headers.get("prefer"));
    const applied = { "Preference-Applied": `wait=${seconds}` };
    if (status !== "pending" && seconds !== undefined) return { isGone: false, headers: applied };
    if (seconds === undefined || hub.isClosed) return undefined;
    const release = limit.acquire(context.principal);
    if (typeof release === "string") return undefined;
    const { signal } = context.request;
    const ended = Promise.withResolvers<void>();
    const end = () => ended.resolve();
    const subscription = {
      queues: [queue],
      jobId: id,
      awaitedBullId: generation === undefined ? undefined : bullId(id, generation),
      end,
      receive: ({ status }: { status: string }) => void (status !== "pending" && end()),
    };
    // Plus the idle timeout of a connection.
    context.setIdleTimeout(seconds + 60);
    context.releaseMemory();
    const startedAt = performance.now();
    const timer = setTimeout(end, seconds * 1000);
    signal.addEventListener("abort", end);
    if (!signal.aborted && seconds > 0) {
      hub.subscribe(subscription);
      await ended.promise;
      hub.unsubscribe(subscription);
    }
    signal.removeEventListener("abort", end);
    clearTimeout(timer);
    release();
    context.waitedMs = performance.now() - startedAt;
    return { isGone: signal.aborted, headers: applied };
  };
}

/** Parses `wait` of RFC 7240's Prefer header: capped at the maximum, ignored if malformed. */
function parseWaitSeconds(prefer: string | null): number | undefined {
  if (prefer === null) return undefined;
  const [, digits] = /(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)/i.exec(prefer) ?? [];
  return digits === undefined ? undefined : Math.min(Number(digits), limits.waitSeconds);
}

/** Returns undefined if the client did not ask to wait; `job` is undefined on timeout. */
export type AwaitJob = (
  context: RequestContext,
  accepted: WaitTarget,
) => Promise<{ headers: Record<string, string>; job: Job | undefined } | undefined>;

export function createAwaitJob(waitForEnd: WaitForEnd, readJob: ReadJob, log: Logger): AwaitJob {
  return async (context, target) => {
    const { scopes, tenant } = context.principal;
    // The result may be shown only to callers with `jobs:read`.
    if (!scopes.has("jobs:read")) return undefined;
    // A replayed response has the status of its first time, so the wait cannot rely on it.
    const waited = await waitForEnd(context, { ...target, status: "pending" });
    if (waited === undefined) return undefined;
    const { isGone, headers } = waited;
    // The job is accepted: a failed read must not turn its response into an error.
    const read = () =>
      readJob(tenant, target.id).catch((error: unknown) => {
        log.warn({ err: error, jobId: target.id }, "failed to read a job that has ended");
        return undefined;
      });
    const job = isGone ? undefined : await read();
    return { headers, job: job?.status === "pending" ? undefined : job };
  };
}

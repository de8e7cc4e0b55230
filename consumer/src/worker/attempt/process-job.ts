import { parseBullId } from "@toril/contract/engine/redis/names";
import { type AttemptOutcome, settlingOutcomes } from "@toril/contract/api/jobs/job-states";
import type { JobType } from "@toril/contract/api/job-type";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { AttemptMetrics } from "@toril/contract/engine/metrics/attempt-metrics";
import { toJobError } from "@toril/contract/engine/jobs/attempt/job-error";
import {
  createStartAttempt,
  type PreparedAttempt,
  type StartAttemptDeps,
} from "@toril/contract/engine/jobs/attempt/start-attempt";
import type { Scrub } from "@toril/contract/engine/secrets/scrub";
import { type ActiveJob, type ActiveJobs, CancelledError, TimedOutError } from "../active-jobs.ts";
import { JobContext, type ContextDeps } from "./context.ts";
import type { FirstDelivery } from "../first-delivery.ts";
import { FinishLaterError } from "../finish-later.ts";
import { NonRetryableError, RetryAfterError, type HandlerMap } from "../handler.ts";
import type { LostAttempts } from "@toril/contract/engine/jobs/attempt/lost-attempts";
import { runHandler, runWithTimeout } from "./run-handler.ts";
import type { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";
import type { AttemptTrace, TracedAttempt, Tracing } from "../../observability/tracing.ts";
import type { StartedAttempt } from "@toril/contract/engine/jobs/attempt/attempt-history";
import {
  createAttemptOutcomes,
  type AttemptFailure,
  type AttemptResult,
  type AttemptOutcomesDeps,
} from "@toril/contract/engine/jobs/attempt/outcome";

export interface ProcessorDeps
  extends
    ContextDeps,
    Omit<AttemptOutcomesDeps, "log">,
    Pick<StartAttemptDeps, "ledgerLookup" | "keyRateLimits" | "secretKeys"> {
  jobTypes: JobTypeRegistry;
  handlers: Pick<HandlerMap, "get">;
  lostAttempts: LostAttempts;
  firstDelivery: FirstDelivery;
  activeJobs: ActiveJobs;
  metrics: AttemptMetrics;
  tracing?: Tracing | undefined;
}

/** Maximum number of lost attempts of a job that Redis lost repeatedly; then the job is dead. */
const maxLostAttempts = 20;

/**
 * Creates the processor of a queue. Resolves when Redis may remove the job, throws to retry, delay, requeue or fail. Calls
 * `onHandled` when the handler has ended.
 */
export function createProcessor(
  queue: string,
  deps: ProcessorDeps,
): (job: TakenJob, onHandled?: () => void) => Promise<void> {
  const { handlers, firstDelivery, lostAttempts, activeJobs, jobTypes, metrics, tracing } = deps;
  const attempts = createAttemptOutcomes(deps);
  const { checkLedger, prepare } = createStartAttempt({
    ...deps,
    attempts,
    findType: ({ name }) => jobTypes.find(name),
    refreshTypes: jobTypes.refresh,
  });

  async function refreshType(type: string): Promise<JobType | undefined> {
    return (await jobTypes.refresh()) ? jobTypes.find(type) : undefined;
  }

  /** Returns no promise if nothing has to be awaited: most jobs start at once. */
  function startAttempt(
    job: TakenJob,
    active: ActiveJob,
    input: StartInput,
  ): ProcessResult | Promise<ProcessResult> {
    const target = parseBullId(job.id);
    if (target === undefined) return attempts.rejectForeign();
    if (active.isAborted) return stopAttempt(job, active);
    if (!firstDelivery.isFirst(job)) return startChecked(job, active, target, input);
    const prepared = prepare(queue, job, target);
    return prepared instanceof Promise
      ? prepared.then((result) => startPrepared(result, active, input))
      : startPrepared(prepared, active, input);
  }

  async function startChecked(
    job: TakenJob,
    active: ActiveJob,
    target: StartedAttempt["target"],
    input: StartInput,
  ): Promise<ProcessResult> {
    const skipped = await checkLedger(job, target);
    if (skipped !== undefined) return skipped;
    if (active.isAborted) return stopAttempt(job, active);
    return startPrepared(await prepare(queue, job, target), active, input);
  }

  function startPrepared(
    prepared: PreparedAttempt | AttemptResult,
    active: ActiveJob,
    input: StartInput,
  ): ProcessResult | Promise<ProcessResult> {
    if (!("start" in prepared)) return prepared;
    const { start } = prepared;
    // If this process still runs the job, no consumer was lost.
    if (!start.job.opts.recovered || activeJobs.hasConcurrentAttempt(active)) {
      return runAttempt(prepared, active, input);
    }
    return runCounted(start, () => runAttempt(prepared, active, input));
  }

  /** Runs an attempt of a re-dispatched job, or settles the job as dead after too many lost attempts. */
  async function runCounted(
    start: StartedAttempt,
    attempt: () => Promise<ProcessResult>,
  ): Promise<ProcessResult> {
    const { id, generation } = start.target;
    const lost = await lostAttempts.count(id, generation);
    if (lost >= maxLostAttempts) return attempts.failLost(start, lost);
    let isSettled = false;
    try {
      const result = await attempt();
      // Whoever finishes a leased job removes the attempt from the count.
      isSettled = result.outcome === "leased" || finalOutcomes.has(result.outcome);
      return result;
    } finally {
      if (!isSettled) await lostAttempts.uncount(id, generation);
    }
  }

  async function runAttempt(
    { start: started, jobType, data }: PreparedAttempt,
    active: ActiveJob,
    { trace, onHandled }: StartInput,
  ): Promise<ProcessResult> {
    const { job, target, attempt, scrub } = started;
    const context = new JobContext(deps, started, active, trace);
    const startedAtMs = performance.now();
    const startedAt = new Date();
    // A lost hash has no timestamp.
    if (job.attemptsStarted === 1 && job.timestamp > 0) {
      metrics.observeWait(queue, jobType.type, job.waitMs);
    }
    const { timeoutMs } = job.opts;
    const handle = () => runHandler(handlers, jobType, data, context, { scrub, refreshType });
    const limited =
      timeoutMs === undefined ? handle : () => runWithTimeout(active, timeoutMs, handle);
    const handled = await (trace === undefined ? limited() : trace.step("handle", limited));
    onHandled?.();
    const handledAtMs = performance.now();
    metrics.observeHandler(queue, jobType.type, handledAtMs - startedAtMs);
    if (handled.status === "failed" && handled.thrown instanceof FinishLaterError) {
      return lease(job, handled.thrown.leaseMs);
    }
    const durationMs = Math.round(handledAtMs - startedAtMs);
    const { lines } = context;
    const start = { job, target, attempt, scrub, startedAt, durationMs, lines };
    const isStopped = active.isAborted && !(active.reason instanceof TimedOutError);
    if (handled.status === "failed" && isStopped) {
      if (active.reason instanceof CancelledError) await attempts.recordCancelled(start);
      return stopAttempt(job, active);
    }
    const settle = () =>
      handled.status === "completed"
        ? attempts.complete(start, handled.result)
        : attempts.fail(start, toFailure(handled.thrown, start.scrub));
    const result = await (trace === undefined ? settle() : trace.step("settle", settle));
    metrics.observeSettle(queue, jobType.type, performance.now() - handledAtMs);
    return result;
  }

  /** Keeps the lock without renewing it: when it expires, the job returns to its queue. */
  async function lease(job: TakenJob, leaseMs: number): Promise<ProcessResult> {
    const { timeoutMs = Number.POSITIVE_INFINITY } = job.opts;
    job.renewedAt = Number.POSITIVE_INFINITY;
    // Without the lock the attempt was finished before the response arrived.
    await job.extendLock(Math.max(1, Math.min(leaseMs, job.processedOn + timeoutMs - Date.now())));
    return { outcome: "leased" };
  }

  function stopAttempt(job: TakenJob, { reason }: ActiveJob) {
    return reason instanceof CancelledError ? attempts.skipCancelled(job) : attempts.requeue(job);
  }

  return async (job, onHandled) => {
    const active = activeJobs.begin(queue, job.id);
    const trace = tracing?.begin(toTracedAttempt(jobTypes, queue, job));
    let result: ProcessResult;
    try {
      result = await startAttempt(job, active, { trace, onHandled });
    } catch (error) {
      trace?.end("failed", error);
      throw error;
    } finally {
      activeJobs.end(active);
    }
    if (result.outcome === "leased") {
      trace?.end(result.outcome);
      throw new JobMovedError();
    }
    trace?.end(result.outcome, result.failure);
    metrics.countAttempt(queue, getTypeLabel(jobTypes, job), result.outcome, job);
    if (result.failure !== undefined) throw result.failure;
    if (result.outcome === "delayed" || result.outcome === "requeued") throw new JobMovedError();
  };
}

/** An attempt that this process ended, or whose job it has passed on with a lease. */
type ProcessResult = AttemptResult | { outcome: "leased" };

/** Thrown after the job was delayed, requeued or leased: this process does not hold it any more. */
export class JobMovedError extends Error {}

function toFailure(thrown: unknown, scrub: Scrub | undefined): AttemptFailure {
  const error = toJobError(thrown, scrub?.text);
  if (thrown instanceof RetryAfterError) return { error, retry: thrown.at };
  return { error, retry: thrown instanceof NonRetryableError ? "never" : "policy" };
}

/** Outcomes after which the job has ended in the ledger. */
const finalOutcomes: ReadonlySet<AttemptOutcome> = new Set(settlingOutcomes);

interface StartInput {
  trace: AttemptTrace | undefined;
  onHandled: (() => void) | undefined;
}

function toTracedAttempt(jobTypes: JobTypeRegistry, queue: string, job: TakenJob): TracedAttempt {
  const type = getTypeLabel(jobTypes, job);
  const attempt = job.attempt;
  return { queue, type, bullId: job.id, attempt, traceparent: job.traceparent };
}

/** Label of a metric; unknown types share one label, which bounds the cardinality. */
export function getTypeLabel(jobTypes: JobTypeRegistry, job: { name: string }): string {
  return jobTypes.find(job.name)?.type ?? "unknown";
}

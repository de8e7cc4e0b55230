import { type DispatchOptions, toDispatchOptions } from "@toril/contract/engine/redis/options";
import { parseBullId } from "@toril/contract/engine/redis/names";
import { type AttemptOutcome, settlingOutcomes } from "@toril/contract/api/job-states";
import type { JobType } from "@toril/contract/api/job-type";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { type ActiveJob, type ActiveJobs, CancelledError, TimedOutError } from "../active-jobs.ts";
import { JobContext, type ContextDeps } from "./context.ts";
import type { LedgerLookup } from "../ledger-lookup.ts";
import type { FirstDelivery } from "../first-delivery.ts";
import { NonRetryableError, type HandlerMap } from "../handler.ts";
import type { KeyRateLimits } from "./key-rate-limits.ts";
import type { LostAttempts } from "./lost-attempts.ts";
import { openSecrets, runHandler, runWithTimeout } from "./run-handler.ts";
import type { TakenJob } from "../taken-job.ts";
import type { AttemptTrace, TracedAttempt, Tracing } from "../../observability/tracing.ts";
import {
  createAttemptOutcomes,
  type StartedAttempt,
  type AttemptResult,
  type AttemptOutcomesDeps,
} from "./outcome.ts";

export interface ProcessorDeps extends ContextDeps, AttemptOutcomesDeps {
  jobTypes: JobTypeRegistry;
  handlers: HandlerMap;
  ledgerLookup: LedgerLookup;
  lostAttempts: LostAttempts;
  firstDelivery: FirstDelivery;
  activeJobs: ActiveJobs;
  keyRateLimits: KeyRateLimits;
  secretKeys: KeyRing | undefined;
  metrics: AttemptMetrics;
  tracing?: Tracing | undefined;
}

/** Records durations and outcomes of attempts. */
export interface AttemptMetrics {
  /** From the due time to the first start. */
  observeWait(queue: string, type: string, ms: number): void;
  observeHandler(queue: string, type: string, ms: number): void;
  /** From the end of the handler until the outcome was recorded or BullMQ scheduled the next attempt. */
  observeSettle(queue: string, type: string, ms: number): void;
  countAttempt(queue: string, type: string, outcome: AttemptOutcome): void;
  /** Dead after too many lost attempts. */
  countLostJob(queue: string, type: string): void;
}

/** Time to wait for a consumer of a version that knows the job type. */
const unknownTypeDelayMs = 30_000;
/** A missing key was probably not deployed yet: the job waits for the key, but not much longer than a day. */
const unknownKeyDelayMs = 30_000;
const maxKeyWaits = 3000;
/** Maximum number of lost attempts of a job that Redis lost repeatedly; then the job is dead. */
const maxLostAttempts = 20;

/** Creates the processor of a queue. Resolves when Redis may remove the job, throws to retry, delay, requeue or fail. */
export function createProcessor(
  queue: string,
  deps: ProcessorDeps,
): (job: TakenJob) => Promise<void> {
  const { handlers, ledgerLookup, firstDelivery, lostAttempts, activeJobs, keyRateLimits } = deps;
  const { jobTypes, metrics, tracing, secretKeys } = deps;
  const attempts = createAttemptOutcomes(deps);

  async function startAttempt(
    job: TakenJob,
    active: ActiveJob,
    trace: AttemptTrace | undefined,
  ): Promise<AttemptResult> {
    const target = parseBullId(job.id);
    if (target === undefined) return attempts.rejectForeign();
    if (!active.isAborted && !firstDelivery.isFirst(job)) {
      const ledgerStatus = await ledgerLookup.getStatus(target.id, target.generation);
      if (ledgerStatus.status !== "pending") return attempts.skipSettled(job, ledgerStatus);
      // A hash without a name: Redis lost the job and BullMQ wrote new fields.
      if (!job.name) await restoreFromLedger(job, target.id);
    }
    if (active.isAborted) return stopAttempt(job, active);
    const jobType = jobTypes.find(job.name);
    if (jobType === undefined) {
      deps.log.warn({ jobId: job.id, type: job.name }, "no handler for this type: delayed");
      return attempts.delay(job, new Date(Date.now() + unknownTypeDelayMs));
    }
    const attempt = job.attempt;
    const isFirstStart = job.attemptsStarted === 1 && job.attemptsMade === 0;
    if (isFirstStart && job.hasExpired) {
      return attempts.expire({ job, target, attempt, scrub: undefined });
    }
    const opened = openSecrets(jobType, target.id, job.data, secretKeys);
    if (opened.status === "unknown-key" && job.attemptsStarted < maxKeyWaits) {
      deps.log.warn({ jobId: job.id, type: job.name, keyId: opened.keyId }, opened.detail);
      return attempts.delay(job, new Date(Date.now() + unknownKeyDelayMs));
    }
    if (opened.status !== "ok") {
      const start = { job, target, attempt, scrub: undefined };
      return attempts.fail(start, new NonRetryableError(opened.detail));
    }
    const { data, scrub } = opened;
    const reservation = keyRateLimits.reserveSlot(queue, jobType, job, data);
    if (reservation !== undefined) {
      const slot = await reservation;
      if (slot.hasWaited && job.attemptsMade === 0 && job.hasExpired) {
        return attempts.expire({ job, target, attempt, scrub });
      }
      const { expiresAt = slot.at } = job.opts as DispatchOptions;
      if (slot.at > 0) return attempts.delay(job, new Date(Math.min(slot.at, expiresAt)));
    }
    const start = { job, target, attempt, scrub };
    // If this process still runs the job, no consumer was lost.
    if (!(job.opts as DispatchOptions).recovered || activeJobs.hasConcurrentAttempt(active)) {
      return runAttempt(start, { jobType, data, active, trace });
    }
    return runCounted(start, () => runAttempt(start, { jobType, data, active, trace }));
  }

  /** Runs an attempt of a re-dispatched job, or settles the job as dead after too many lost attempts. */
  async function runCounted(
    start: StartedAttempt,
    attempt: () => Promise<AttemptResult>,
  ): Promise<AttemptResult> {
    const { id, generation } = start.target;
    const lost = await lostAttempts.count(id, generation);
    if (lost >= maxLostAttempts) return attempts.failLost(start, lost);
    let isSettled = false;
    try {
      const result = await attempt();
      isSettled = finalOutcomes.has(result.outcome);
      return result;
    } finally {
      if (!isSettled) await lostAttempts.uncount(id, generation);
    }
  }

  async function runAttempt(
    started: StartedAttempt,
    { jobType, data, active, trace }: AttemptInput,
  ): Promise<AttemptResult> {
    const { job, target, attempt, scrub } = started;
    const context = new JobContext(deps, {
      job,
      active,
      id: target.id,
      attempt,
      scrub,
      traceparent: trace?.traceparent ?? job.traceparent,
    });
    const startedAtMs = performance.now();
    const startedAt = new Date();
    // A lost hash has no timestamp.
    if (job.attemptsStarted === 1 && job.timestamp > 0) {
      metrics.observeWait(queue, jobType.type, job.waitMs);
    }
    const { timeoutMs } = job.opts as DispatchOptions;
    const handle = () => runHandler(handlers, jobType, data, context, scrub);
    const limited =
      timeoutMs === undefined ? handle : () => runWithTimeout(active, timeoutMs, handle);
    const handled = await (trace === undefined ? limited() : trace.step("handle", limited));
    const handledAtMs = performance.now();
    metrics.observeHandler(queue, jobType.type, handledAtMs - startedAtMs);
    const durationMs = Math.round(handledAtMs - startedAtMs);
    const start = { ...started, startedAt, durationMs, lines: context.lines };
    const isStopped = active.isAborted && !(active.reason instanceof TimedOutError);
    if (handled.status === "failed" && isStopped) {
      if (active.reason instanceof CancelledError) await attempts.recordCancelled(start);
      return stopAttempt(job, active);
    }
    const settle = () =>
      handled.status === "completed"
        ? attempts.complete(start, handled.result)
        : attempts.fail(start, handled.thrown);
    const result = await (trace === undefined ? settle() : trace.step("settle", settle));
    metrics.observeSettle(queue, jobType.type, performance.now() - handledAtMs);
    return result;
  }

  function stopAttempt(job: TakenJob, { reason }: ActiveJob) {
    return reason instanceof CancelledError ? attempts.skipCancelled(job) : attempts.requeue(job);
  }

  async function restoreFromLedger(job: TakenJob, id: string) {
    const recorded = await ledgerLookup.loadJob(id);
    if (recorded === undefined) return;
    job.name = recorded.type;
    job.data = recorded.data;
    const { timestamp: _, delayMs: __, ...options } = toDispatchOptions(recorded, Date.now());
    Object.assign(job.opts, options);
  }

  return async (job) => {
    const active = activeJobs.begin(queue, job.id);
    const trace = tracing?.begin(toTracedAttempt(jobTypes, queue, job));
    let result: AttemptResult;
    try {
      result = await startAttempt(job, active, trace);
    } catch (error) {
      trace?.end("failed", error);
      throw error;
    } finally {
      activeJobs.end(active);
    }
    trace?.end(result.outcome, result.thrown);
    metrics.countAttempt(queue, getTypeLabel(jobTypes, job), result.outcome);
    if (result.thrown !== undefined) throw result.thrown;
  };
}

/** Outcomes after which the job has ended in the ledger. */
const finalOutcomes: ReadonlySet<AttemptOutcome> = new Set(settlingOutcomes);

interface AttemptInput {
  jobType: JobType;
  data: unknown;
  active: ActiveJob;
  trace: AttemptTrace | undefined;
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

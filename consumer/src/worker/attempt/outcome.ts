import type { DispatchOptions } from "@toril/contract/engine/redis/options";
import { getTraceId } from "@toril/contract/engine/tracing/traceparent";
import { DelayedError, UnrecoverableError, WaitingError } from "bullmq";
import { parseBullName } from "@toril/contract/engine/redis/names";
import type { JobError, JobLogLine, AttemptError } from "@toril/contract/api/job";
import type { AttemptOutcome } from "@toril/contract/api/job-states";
import type { Scrub } from "@toril/contract/engine/secrets/scrub";
import type { AttemptErrors } from "./errors.ts";
import type { LedgerStatus } from "../ledger-lookup.ts";
import { NonRetryableError, RetryAfterError } from "../handler.ts";
import { toJobError, toReason } from "./job-error.ts";
import type { Log } from "../../observability/log.ts";
import type { Settler } from "../settle.ts";
import type { TakenJob } from "../taken-job.ts";

/** Result of an attempt. Without `thrown` BullMQ removes the job; `thrown` selects retry, delay, requeue or failure. */
export interface AttemptResult {
  outcome: AttemptOutcome;
  thrown?: Error;
}

export interface AttemptOutcomesDeps {
  settler: Pick<Settler, "settle" | "recordCancelled">;
  /** Name of this consumer in the history of jobs. */
  workerName: string;
  attemptErrors: AttemptErrors;
  lockDurationMs: number;
  metrics: { countLostJob(queue: string, type: string): void };
  log: Log;
}

export interface StartedAttempt {
  job: TakenJob;
  target: { id: string; generation: number };
  attempt: number;
  /** Undefined for a job without secrets. */
  scrub: Scrub | undefined;
  /** Undefined when the handler did not run. */
  startedAt?: Date;
  durationMs?: number;
  /** Last log lines of the handler. */
  lines?: readonly JobLogLine[];
}

/** Thrown to BullMQ for a job that is dead in the ledger. */
export class JobEndedError extends UnrecoverableError {}

/** Settlement of a job that did not start before its deadline. */
export const expiredSettlement = {
  status: "expired",
  attempts: 0,
  result: null,
  error: JSON.stringify({
    name: "Expired",
    message: "The job did not start before it expired.",
  } satisfies JobError),
} as const;

export function createAttemptOutcomes(deps: AttemptOutcomesDeps) {
  const { settler, workerName, attemptErrors, lockDurationMs, metrics, log } = deps;

  /** Reads the errors of a job's earlier attempts. */
  function readErrors({ job }: StartedAttempt): Promise<AttemptError[]> {
    return attemptErrors.read(parseBullName(job.queueName), job.id);
  }

  /** Builds the attempt history that the ledger keeps of an ended job. */
  function toHistory(
    { startedAt, durationMs, lines = [] }: StartedAttempt,
    errors: AttemptError[],
  ) {
    return {
      startedAt,
      durationMs,
      worker: startedAt && workerName,
      failures: errors.length === 0 ? null : JSON.stringify(errors),
      log: lines.length === 0 ? null : JSON.stringify(lines),
    };
  }

  async function getHistory(started: StartedAttempt, last?: AttemptError) {
    const errors = started.attempt > 1 ? await readErrors(started) : [];
    return toHistory(started, last === undefined ? errors : [...errors, last]);
  }

  async function complete(started: StartedAttempt, result: string): Promise<AttemptResult> {
    const outcome = await settler.settle({
      ...started.target,
      status: "completed",
      attempts: started.attempt,
      result,
      error: null,
      // Most jobs complete in their first attempt.
      ...(started.attempt > 1 ? await getHistory(started) : toHistory(started, [])),
    });
    if (outcome.status === "settled") return { outcome: "completed" };
    if (outcome.status === "unstorable") return dead(started, outcome.error);
    if (outcome.recorded === "cancelled") await recordCancelled(started);
    return { outcome: "already-settled" };
  }

  /** Adds the attempt to a cancelled job: the client that cancelled the job does not know the attempt. */
  async function recordCancelled(started: StartedAttempt) {
    await settler.recordCancelled({
      ...started.target,
      attempts: started.attempt,
      ...(await getHistory(started)),
    });
  }

  async function fail(started: StartedAttempt, thrown: unknown): Promise<AttemptResult> {
    const { job, target, attempt, scrub, startedAt, durationMs } = started;
    if (thrown instanceof RetryAfterError) return delay(job, thrown.at);
    const error = toJobError(thrown, scrub?.text);
    const failure = {
      attempt,
      at: new Date().toISOString(),
      ...error,
      startedAt: startedAt?.toISOString() ?? null,
      durationMs: durationMs ?? null,
      worker: workerName,
    };
    if (!(thrown instanceof NonRetryableError) && job.attemptsMade + 1 < (job.opts.attempts ?? 1)) {
      log.info({ ...getLogFields(started), err: error }, "attempt failed");
      job.opts.stackTraceLimit = maxStacks;
      capBackoff(job, job.attemptsMade + 1);
      await attemptErrors.record(parseBullName(job.queueName), job.id, failure);
      return { outcome: "retried", thrown: toThrown(new Error(toReason(error)), error) };
    }
    // Without the lock another attempt has taken over, and that attempt's outcome counts.
    if (!(await job.extendLock(lockDurationMs))) {
      log.warn(
        { ...getLogFields(started), err: error },
        "attempt lost the job's lock to another attempt",
      );
      return { outcome: "already-settled", thrown: toThrown(new Error(toReason(error)), error) };
    }
    const outcome = await settler.settle({
      ...target,
      status: "dead",
      attempts: attempt,
      result: null,
      error: JSON.stringify(error),
      ...(await getHistory(started, failure)),
    });
    if (outcome.status === "already-settled" && outcome.recorded === "cancelled") {
      await recordCancelled(started);
    }
    if (outcome.status === "already-settled" && outcome.recorded !== "dead")
      return { outcome: "already-settled" };
    return dead(started, error);
  }

  /** Settles a job as dead after too many lost attempts. */
  async function failLost(started: StartedAttempt, lost: number): Promise<AttemptResult> {
    const error: JobError = {
      name: "AttemptsLost",
      message: `${lost} attempts were lost with their consumers.`,
    };
    const outcome = await settler.settle({
      ...started.target,
      status: "dead",
      attempts: Math.max(started.attempt - 1, lost),
      result: null,
      error: JSON.stringify(error),
      ...(await getHistory(started)),
    });
    if (outcome.status === "already-settled" && outcome.recorded !== "dead")
      return { outcome: "already-settled" };
    metrics.countLostJob(parseBullName(started.job.queueName), started.job.name);
    return dead(started, error);
  }

  function dead(started: StartedAttempt, error: JobError): AttemptResult {
    log.warn({ ...getLogFields(started), err: error }, "job is dead");
    return { outcome: "dead", thrown: toThrown(new JobEndedError(toReason(error)), error) };
  }

  async function expire({ target }: StartedAttempt): Promise<AttemptResult> {
    const { status } = await settler.settle({ ...target, ...expiredSettlement });
    return { outcome: status === "settled" ? "expired" : "already-settled" };
  }

  async function delay(job: TakenJob, until: Date): Promise<AttemptResult> {
    await job.moveToDelayed(until);
    return { outcome: "delayed", thrown: new DelayedError() };
  }

  return {
    complete,
    fail,
    recordCancelled,
    failLost,
    expire,
    delay,
    async requeue(job: TakenJob): Promise<AttemptResult> {
      await job.moveToWait();
      return { outcome: "requeued", thrown: new WaitingError() };
    },
    skipSettled(job: TakenJob, { status }: LedgerStatus): AttemptResult {
      log.info({ jobId: job.id, ledgerStatus: status }, "skipped a job that is already settled");
      return { outcome: "already-settled" };
    },
    skipCancelled(job: TakenJob): AttemptResult {
      log.info({ jobId: job.id }, "aborted an attempt of a job that has ended");
      return { outcome: "already-settled" };
    },
    rejectForeign(): AttemptResult {
      return {
        outcome: "already-settled",
        thrown: new JobEndedError("This job was not enqueued by Toril."),
      };
    },
  };
}

function getLogFields({ job, target, attempt }: StartedAttempt) {
  const traceId = getTraceId(job.traceparent);
  return { jobId: target.id, traceId, tenant: job.tenant, type: job.name, attempt };
}

/** Limits the stacks in the job's hash; by default BullMQ keeps those of all attempts. */
const maxStacks = 3;

/** BullMQ has no maximum for exponential backoff. */
function capBackoff(job: TakenJob, attempt: number) {
  const { backoff } = job.opts as DispatchOptions;
  if (backoff?.max === undefined) return;
  const factor = backoff.type === "exponential" ? 2 ** (attempt - 1) : 1;
  const { jitter = 0 } = backoff;
  job.opts.backoff = {
    type: "fixed",
    delay: Math.min(backoff.max, backoff.delay * factor),
    jitter,
  };
}

function toThrown<Thrown extends Error>(thrown: Thrown, error: JobError): Thrown {
  thrown.stack = error.stack ?? thrown.message;
  return thrown;
}

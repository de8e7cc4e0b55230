import { getTraceId } from "../../tracing/traceparent.ts";
import { parseBullName } from "../../redis/names.ts";
import type { JobError } from "../../../api/jobs/job.ts";
import type { AttemptOutcome } from "../../../api/jobs/job-states.ts";
import type { AttemptErrors } from "./attempt-errors.ts";
import { createGetHistory, type StartedAttempt, toHistory } from "./attempt-history.ts";
import type { LedgerStatus } from "./ledger-lookup.ts";
import { toReason } from "./job-error.ts";
import type { Logger } from "pino";
import type { Settler } from "./settle.ts";
import type { TakenJob } from "./taken-job.ts";

/**
 * Result of an attempt. With `failure`, BullMQ must retry or fail the job. A `delayed` or `requeued` job is already
 * moved; in all other cases the job must be removed from Redis.
 */
export interface AttemptResult {
  outcome: AttemptOutcome;
  failure?: Error;
}

/** Why an attempt failed, and what follows. */
export interface AttemptFailure {
  error: JobError;
  /** `policy`: by the options of the job. A time: not before then, without using an attempt. */
  retry: "policy" | "never" | Date;
}

export interface AttemptOutcomesDeps {
  settler: Pick<Settler, "settle" | "recordCancelled">;
  attemptErrors: AttemptErrors;
  lockDurationMs: number;
  metrics: { countLostJob(queue: string, type: string): void };
  log: Pick<Logger, "info" | "warn">;
}

/** Failure of a job that is dead in the ledger: BullMQ does not retry after an error of this name. */
export class JobEndedError extends Error {
  override readonly name = "UnrecoverableError";
}

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

export type AttemptOutcomes = ReturnType<typeof createAttemptOutcomes>;

export function createAttemptOutcomes(deps: AttemptOutcomesDeps) {
  const { settler, attemptErrors, lockDurationMs, metrics, log } = deps;
  const getHistory = createGetHistory(attemptErrors);

  async function complete(started: StartedAttempt, result: string): Promise<AttemptResult> {
    // Most jobs complete in their first attempt.
    const history = started.attempt > 1 ? await getHistory(started) : toHistory(started, []);
    const { id, generation } = started.target;
    const { startedAt, durationMs, worker, failures, log: lines } = history;
    // Without spreads, which take three times the memory.
    const outcome = await settler.settle({
      id,
      generation,
      status: "completed",
      attempts: started.attempt,
      result,
      error: null,
      startedAt,
      durationMs,
      worker,
      failures,
      log: lines,
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

  async function fail(
    started: StartedAttempt,
    { error, retry }: AttemptFailure,
  ): Promise<AttemptResult> {
    const { job, target, attempt, startedAt, durationMs } = started;
    if (retry instanceof Date) return delay(job, retry);
    const failure = {
      attempt,
      at: new Date().toISOString(),
      ...error,
      startedAt: startedAt?.toISOString() ?? null,
      durationMs: durationMs ?? null,
      worker: job.worker,
    };
    if (retry === "policy" && job.attemptsMade + 1 < (job.opts.attempts ?? 1)) {
      log.info({ ...getLogFields(started), err: error }, "attempt failed");
      job.opts.stackTraceLimit = maxStacks;
      capBackoff(job, job.attemptsMade + 1);
      await attemptErrors.record(parseBullName(job.queueName), job.id, failure);
      return { outcome: "retried", failure: withStack(new Error(toReason(error)), error) };
    }
    // Without the lock another attempt has taken over, and that attempt's outcome counts.
    if (!(await job.extendLock(lockDurationMs))) {
      log.warn(
        { ...getLogFields(started), err: error },
        "attempt lost the job's lock to another attempt",
      );
      return { outcome: "already-settled", failure: withStack(new Error(toReason(error)), error) };
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
    return { outcome: "dead", failure: withStack(new JobEndedError(toReason(error)), error) };
  }

  async function expire({ target }: StartedAttempt): Promise<AttemptResult> {
    const { status } = await settler.settle({ ...target, ...expiredSettlement });
    return { outcome: status === "settled" ? "expired" : "already-settled" };
  }

  async function delay(job: TakenJob, until: Date): Promise<AttemptResult> {
    await job.moveToDelayed(until);
    return { outcome: "delayed" };
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
      return { outcome: "requeued" };
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
        failure: new JobEndedError("This job was not enqueued by Toril."),
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
  const { backoff } = job.opts;
  if (backoff?.max === undefined) return;
  const factor = backoff.type === "exponential" ? 2 ** (attempt - 1) : 1;
  const { jitter = 0 } = backoff;
  job.opts.backoff = {
    type: "fixed",
    delay: Math.min(backoff.max, backoff.delay * factor),
    jitter,
  };
}

function withStack<Failure extends Error>(failure: Failure, { stack }: JobError): Failure {
  failure.stack = stack ?? failure.message;
  return failure;
}

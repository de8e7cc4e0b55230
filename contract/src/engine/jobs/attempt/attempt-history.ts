import type { AttemptError, JobLogLine } from "../../../api/jobs/job.ts";
import { parseBullName } from "../../redis/names.ts";
import type { Scrub } from "../../secrets/scrub.ts";
import type { AttemptErrors } from "./attempt-errors.ts";
import type { TakenJob } from "./taken-job.ts";

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

/** Builds the attempt history that the ledger keeps of an ended job. */
export function toHistory(
  { job, startedAt, durationMs, lines = [] }: StartedAttempt,
  errors: readonly AttemptError[],
) {
  return {
    startedAt,
    durationMs,
    worker: startedAt && job.worker,
    failures: errors.length === 0 ? null : JSON.stringify(errors),
    log: lines.length === 0 ? null : JSON.stringify(lines),
  };
}

/** Creates a function that builds the history of a job from the errors of its earlier attempts and of the `last` one. */
export function createGetHistory(attemptErrors: Pick<AttemptErrors, "read">) {
  return async (started: StartedAttempt, last?: AttemptError) => {
    const { job, attempt } = started;
    const errors =
      attempt > 1 ? await attemptErrors.read(parseBullName(job.queueName), job.id) : [];
    return toHistory(started, last === undefined ? errors : [...errors, last]);
  };
}

import type { Logger } from "pino";
import type { JobType } from "../../../api/job-type.ts";
import { toDispatchOptions } from "../../redis/scripts/options.ts";
import type { KeyRing } from "../../secrets/key-ring.ts";
import type { KeyRateLimits } from "./key-rate-limits.ts";
import { toJobError } from "./job-error.ts";
import type { LedgerLookup } from "./ledger-lookup.ts";
import { hasSealed } from "../../secrets/secret-data.ts";
import { openSecrets } from "./open-secrets.ts";
import type { StartedAttempt } from "./attempt-history.ts";
import type { AttemptOutcomes, AttemptResult } from "./outcome.ts";
import type { TakenJob } from "./taken-job.ts";

export interface StartAttemptDeps {
  findType(job: TakenJob): JobType | undefined;
  /** Loads the registered types; resolves to false if that failed. */
  refreshTypes(): Promise<boolean>;
  ledgerLookup: LedgerLookup;
  keyRateLimits: KeyRateLimits;
  secretKeys: KeyRing | undefined;
  attempts: AttemptOutcomes;
  log: Pick<Logger, "warn">;
}

/** A job that may run now, with the data for its handler or worker. */
export interface PreparedAttempt {
  start: StartedAttempt;
  jobType: JobType;
  /** Decrypted, and not yet parsed by the schema of the type. */
  data: unknown;
}

/** What happens between taking a job and running it. */
export interface StartAttempt {
  /**
   * Looks the job up in the ledger, and restores a job whose hash Redis has lost. Returns a result if the job must not
   * run, because it has ended.
   */
  checkLedger(job: TakenJob, target: StartedAttempt["target"]): Promise<AttemptResult | undefined>;
  /** Returns the attempt to run, or the result of a job that must not run now. A promise only if it has to wait. */
  prepare(
    queue: string,
    job: TakenJob,
    target: StartedAttempt["target"],
  ): PreparedAttempt | Promise<PreparedAttempt | AttemptResult>;
}

/** Time to wait for a process of a version that knows the job type. */
const unknownTypeDelayMs = 30_000;
/** A missing key was probably not deployed yet: the job waits for the key, but not much longer than a day. */
const unknownKeyDelayMs = 30_000;
const maxKeyWaits = 3000;

export function createStartAttempt(deps: StartAttemptDeps): StartAttempt {
  const { findType, refreshTypes, ledgerLookup, keyRateLimits, secretKeys, attempts, log } = deps;

  async function restoreFromLedger(job: TakenJob, id: string) {
    const recorded = await ledgerLookup.loadJob(id);
    if (recorded === undefined) return;
    job.name = recorded.type;
    job.data = recorded.data;
    const { timestamp: _, delayMs: __, ...options } = toDispatchOptions(recorded, Date.now());
    Object.assign(job.opts, options);
  }

  async function waitForSlot(
    prepared: PreparedAttempt,
    reservation: NonNullable<ReturnType<KeyRateLimits["reserveSlot"]>>,
  ): Promise<PreparedAttempt | AttemptResult> {
    const { start } = prepared;
    const { job } = start;
    const slot = await reservation;
    if (slot.hasWaited && job.attemptsMade === 0 && job.hasExpired) return attempts.expire(start);
    const { expiresAt = slot.at } = job.opts;
    return slot.at > 0 ? attempts.delay(job, new Date(Math.min(slot.at, expiresAt))) : prepared;
  }

  return {
    async checkLedger(job, target) {
      const ledgerStatus = await ledgerLookup.getStatus(target.id, target.generation);
      if (ledgerStatus.status !== "pending") return attempts.skipSettled(job, ledgerStatus);
      // A hash without a name: Redis lost the job and BullMQ wrote new fields.
      if (!job.name) await restoreFromLedger(job, target.id);
      return undefined;
    },
    prepare(queue, job, target) {
      const jobType = findType(job);
      return jobType === undefined
        ? prepareFresh(queue, job, target)
        : prepareKnown(jobType, queue, job, target);
    },
  };

  /** The type, or its newest version, may have been registered a moment ago. */
  async function prepareFresh(queue: string, job: TakenJob, target: StartedAttempt["target"]) {
    const jobType = (await refreshTypes()) ? findType(job) : undefined;
    if (jobType !== undefined) return prepareKnown(jobType, queue, job, target, true);
    log.warn({ jobId: job.id, type: job.name }, "unknown job type: delayed");
    return attempts.delay(job, new Date(Date.now() + unknownTypeDelayMs));
  }

  function prepareKnown(
    jobType: JobType,
    queue: string,
    job: TakenJob,
    target: StartedAttempt["target"],
    isFresh = false,
  ): PreparedAttempt | Promise<PreparedAttempt | AttemptResult> {
    const { attempt } = job;
    const isFirstStart = job.attemptsStarted === 1 && job.attemptsMade === 0;
    if (isFirstStart && job.hasExpired) {
      return attempts.expire({ job, target, attempt, scrub: undefined });
    }
    const opened = openSecrets(jobType, target.id, job.data, secretKeys);
    if (jobType.isRegistered && !isFresh && opened.status === "ok" && hasSealed(opened.data)) {
      // A field may have become a secret a moment ago.
      return prepareFresh(queue, job, target);
    }
    if (opened.status === "unknown-key" && job.attemptsStarted < maxKeyWaits) {
      log.warn({ jobId: job.id, type: job.name, keyId: opened.keyId }, opened.detail);
      return attempts.delay(job, new Date(Date.now() + unknownKeyDelayMs));
    }
    if (opened.status !== "ok") {
      const start = { job, target, attempt, scrub: undefined };
      const error = { name: "NonRetryableError", message: opened.detail };
      return attempts.fail(start, { error, retry: "never" });
    }
    const { data, scrub } = opened;
    const prepared = { start: { job, target, attempt, scrub }, jobType, data };
    try {
      const reservation = keyRateLimits.reserveSlot(queue, jobType, job, data);
      return reservation === undefined ? prepared : waitForSlot(prepared, reservation);
    } catch (thrown) {
      // Code of the project: the other jobs of the queue must not wait for this one.
      const error = toJobError(thrown, scrub?.text);
      return attempts.fail(prepared.start, { error, retry: "policy" });
    }
  }
}

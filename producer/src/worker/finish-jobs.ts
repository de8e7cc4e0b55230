import { JobLogLine } from "@toril/contract/api/jobs/job";
import { parseJsonOrNull } from "@toril/contract/api/json/json";
import type { JobType } from "@toril/contract/api/job-type";
import { fieldErrors } from "@toril/contract/api/problem";
import type { AttemptReport, FinishedAttempt } from "@toril/contract/api/worker/finish";
import { toJobError } from "@toril/contract/engine/jobs/attempt/job-error";
import type { Lease } from "@toril/contract/engine/jobs/attempt/lease";
import type { LostAttempts } from "@toril/contract/engine/jobs/attempt/lost-attempts";
import { openSecrets } from "@toril/contract/engine/jobs/attempt/open-secrets";
import { parseResult } from "@toril/contract/engine/jobs/attempt/parse-result";
import type { StartedAttempt } from "@toril/contract/engine/jobs/attempt/attempt-history";
import type { AttemptOutcomes, AttemptResult } from "@toril/contract/engine/jobs/attempt/outcome";
import type { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";
import type { AttemptMetrics } from "@toril/contract/engine/metrics/attempt-metrics";
import type { HeldJson, Hold } from "@toril/contract/engine/redis/scripts/hold";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import {
  groupByQueue,
  repeatResults,
  type ReportEntry,
  toError,
  toFailure,
  toResult,
} from "./attempt-reports.ts";
import type { PullQueue } from "./pull-queues.ts";

export interface FinishJobsDeps {
  getQueue(name: string): PullQueue;
  hold: Hold;
  attempts: AttemptOutcomes;
  lostAttempts: LostAttempts;
  findType(job: TakenJob): JobType | undefined;
  /** Loads the registered types; resolves to false if that failed. */
  refreshTypes(): Promise<boolean>;
  /** Whether data of jobs in the queue may contain secrets. */
  hasSecrets(queue: string): boolean;
  secretKeys: KeyRing | undefined;
  /** Returns those leases whose job has ended in the ledger. */
  findEnded(leases: readonly LeaseTarget[]): Promise<ReadonlySet<string>>;
  /** Called when a worker holds a job no longer. */
  onEnded(queue: string, worker: string): void;
  metrics: AttemptMetrics;
}

export interface LeaseTarget {
  id: string;
  lease: Lease;
}

export interface FinishOutcome {
  /** In the order of the request. */
  results: FinishedAttempt[];
  /** Jobs to remove from Redis, by queue. */
  finished: Map<string, TakenJob[]>;
}

/**
 * Records the outcomes of attempts: checks and renews all leases, then settles. Rejects if a store is unavailable; the
 * request may be repeated.
 * @param mayWork whether the worker may finish jobs of the queue
 */
export type FinishJobs = (
  reports: readonly AttemptReport[],
  mayWork: (queue: string) => boolean,
) => Promise<FinishOutcome>;

/** Locks last this long at least while their jobs are settled. */
const holdMs = 20_000;

export function createFinishJobs(deps: FinishJobsDeps): FinishJobs {
  const { getQueue, hold, attempts, lostAttempts, metrics } = deps;

  async function endAttempt(entry: ReportEntry, held: HeldJson): Promise<Ended> {
    const { queue } = entry.lease;
    const job = getQueue(queue).toTakenJob(held.json);
    const endedAt = Date.now();
    metrics.observeHandler(queue, job.name, endedAt - job.processedOn);
    const ended = await judge(entry, job, toLines(held.lines), endedAt);
    // The consumer that sent a job to an endpoint is not a worker over HTTP.
    if (deps.findType(job)?.worker !== "push") deps.onEnded(queue, job.worker);
    metrics.observeSettle(queue, job.name, Date.now() - endedAt);
    metrics.countAttempt(queue, job.name, ended.result.outcome, job);
    if (job.opts.recovered && !settledOutcomes.has(ended.result.outcome)) {
      await lostAttempts.uncount(entry.report.id, entry.lease.generation);
    }
    return { ...ended, isFinished: await getQueue(queue).apply(job, ended.result) };
  }

  async function judge(
    { index, report, lease }: ReportEntry,
    job: TakenJob,
    lines: readonly JobLogLine[],
    endedAt: number,
  ): Promise<Omit<Ended, "isFinished">> {
    const target = { id: report.id, generation: lease.generation };
    if (report.outcome === "released") return { job, result: await attempts.requeue(job) };
    const jobType = deps.findType(job);
    const opened = jobType && openSecrets(jobType, target.id, job.data, deps.secretKeys);
    const scrub = opened?.status === "ok" ? opened.scrub : undefined;
    const started: StartedAttempt = {
      job,
      target,
      attempt: job.attempt,
      scrub,
      startedAt: new Date(job.processedOn),
      durationMs: Math.max(0, endedAt - job.processedOn),
      lines,
    };
    if (report.outcome === "failed") {
      return { job, result: await attempts.fail(started, toFailure(report, scrub?.text)) };
    }
    const parsed = await parseReported(job, report.result ?? null);
    if (parsed.status === "invalid") {
      const error = toJobError(toError("InvalidResult", parsed.detail), scrub?.text);
      const errors = fieldErrors(parsed.issues, `/results/${index}/result`);
      return { job, result: await attempts.fail(started, { error, retry: "policy" }), errors };
    }
    const { text } = parsed;
    const stored = scrub ? JSON.stringify(scrub.value(JSON.parse(text))) : text;
    return { job, result: await attempts.complete(started, stored) };
  }

  /** A result may fit a version of its type that was registered a moment ago. */
  async function parseReported(job: TakenJob, result: unknown) {
    const jobType = deps.findType(job);
    const parsed = parseResult(jobType, result);
    if (parsed.status === "ok" || !jobType?.isRegistered || !(await deps.refreshTypes()))
      return parsed;
    return parseResult(deps.findType(job), result);
  }

  return async (reports, mayWork) => {
    const results: FinishedAttempt[] = reports.map(({ id }) => ({ id, outcome: "lease-lost" }));
    const finished = new Map<string, TakenJob[]>();
    const byQueue = groupByQueue(reports, mayWork);
    const lost: ReportEntry[] = [];

    async function finishQueue(queue: string, entries: readonly ReportEntry[]) {
      const toRemove: TakenJob[] = [];
      const held = await hold(queue, {
        mode: "hold",
        ms: holdMs,
        returnsData: deps.hasSecrets(queue),
        leases: entries.map(({ bullId: id, lease: { token } }) => ({ id, token })),
      });
      await Promise.all(
        entries.map(async (entry, at) => {
          const lease = held[at];
          if (lease === undefined) {
            lost.push(entry);
            return;
          }
          const ended = await endAttempt(entry, lease);
          results[entry.index] = toResult(entry, ended.result, ended.errors);
          if (ended.isFinished) toRemove.push(ended.job);
        }),
      );
      if (toRemove.length > 0) finished.set(queue, toRemove);
    }

    await Promise.all([...byQueue].map(([queue, entries]) => finishQueue(queue, entries)));
    if (lost.length > 0) {
      const ended = await deps.findEnded(lost.map(({ report: { id }, lease }) => ({ id, lease })));
      for (const { index, report, bullId } of lost) {
        if (ended.has(bullId)) results[index] = { id: report.id, outcome: "already-settled" };
      }
    }
    repeatResults(reports, results);
    return { results, finished };
  };
}

interface Ended {
  job: TakenJob;
  result: AttemptResult;
  errors?: FinishedAttempt["errors"];
  /** Whether the job must be removed from Redis. */
  isFinished: boolean;
}

const settledOutcomes: ReadonlySet<string> = new Set([
  "completed",
  "dead",
  "expired",
  "already-settled",
]);

function toLines(texts: readonly string[]): JobLogLine[] {
  return texts.flatMap((text) => {
    const line = JobLogLine.safeParse(parseJsonOrNull(text));
    return line.success ? [line.data] : [];
  });
}

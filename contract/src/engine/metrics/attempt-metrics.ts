import { type ActivityRecorder, isActivityCounter } from "../activity/activity-recorder.ts";
import { Histogram, type Registry } from "prom-client";
import {
  type AttemptOutcome,
  attemptOutcomes,
  settlingOutcomes,
} from "../../api/jobs/job-states.ts";
import { createLabelledCounter, createLabelledHistogram } from "./labelled-metrics.ts";
import { createCounter } from "./process-metrics.ts";

/** Records durations and outcomes of attempts. */
export interface AttemptMetrics {
  /** From the due time to the first start. */
  observeWait(queue: string, type: string, ms: number): void;
  observeHandler(queue: string, type: string, ms: number): void;
  /** From the end of the handler until the outcome was recorded or BullMQ scheduled the next attempt. */
  observeSettle(queue: string, type: string, ms: number): void;
  /** Counts an attempt, and how long its job took if the attempt settled the job. */
  countAttempt(queue: string, type: string, outcome: AttemptOutcome, job: TimedJob): void;
  /** Dead after too many lost attempts. */
  countLostJob(queue: string, type: string): void;
}

/** The times of a job of BullMQ, in ms since 1970. */
interface TimedJob {
  /** 0 if Redis lost the hash of the job. */
  timestamp: number;
  opts: { delay?: number };
  processedOn?: number | undefined;
}

/**
 * Returns how long a job has been due; undefined if unknown. A job that was promoted before its due time counts from the
 * start of the current attempt.
 */
export function getDueMs({ timestamp, opts, processedOn }: TimedJob): number | undefined {
  if (timestamp === 0) return undefined;
  const dueAt = Math.min(timestamp + (opts.delay ?? 0), processedOn ?? Number.POSITIVE_INFINITY);
  return Math.max(0, Date.now() - dueAt);
}

/** Buckets of durations, in seconds. */
export const durationBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300];
const settling: ReadonlySet<AttemptOutcome> = new Set(settlingOutcomes);
const waitBuckets = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800, 7200];

/**
 * Registers the metrics of attempts.
 * @param types the job types that this process processes, whose series start at 0
 */
export function createAttemptMetrics(
  registry: Registry,
  types: readonly { queue: string; type: string }[],
  activity: ActivityRecorder,
) {
  const processed = createLabelledCounter({
    name: "bullmq_jobs_processed_total",
    help: "Attempts, by outcome",
    labelNames: ["queue", "type", "outcome"],
  });
  // Prometheus sees no increase if a counter first appears as 1.
  for (const { queue, type } of types) {
    for (const outcome of attemptOutcomes) processed.add(0, queue, type, outcome);
  }
  const labelNames = ["queue", "type"];
  const waited = createLabelledHistogram({
    name: "toril_job_wait_seconds",
    help: "Time from when a job was due until its first attempt began",
    bounds: waitBuckets,
    labelNames,
  });
  const ran = createLabelledHistogram({
    name: "toril_job_run_seconds",
    help: "Duration of a handler's execution, or of the attempt of an HTTP worker",
    bounds: durationBuckets,
    labelNames,
  });
  const settled = createLabelledHistogram({
    name: "toril_job_settle_seconds",
    help: "Time from the end of a handler until its outcome was recorded, including the wait for a batch",
    bounds: durationBuckets,
    labelNames,
  });
  const total = createLabelledHistogram({
    name: "toril_job_total_seconds",
    help: "Time from when a job was due until an attempt settled the job, with earlier attempts and the pauses between them",
    bounds: waitBuckets,
    labelNames,
  });
  for (const { metric } of [processed, waited, ran, settled, total])
    registry.registerMetric(metric);
  const lostJobs = createCounter(
    registry,
    {
      name: "toril_lost_jobs_total",
      help: "Jobs that are dead because too many attempts were lost with their consumers or workers",
      labelNames: ["queue", "type"],
    },
    types.map(({ queue, type }) => ({ queue, type })),
  );
  const batchSize = new Histogram({
    name: "toril_settle_batch_jobs",
    help: "Jobs per write to the ledger that settles them",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    registers: [registry],
  });
  const meter: AttemptMetrics = {
    observeWait(queue, type, ms) {
      waited.observe(ms / 1000, queue, type);
      activity.observe("start", ms);
    },
    observeHandler(queue, type, ms) {
      ran.observe(ms / 1000, queue, type);
      activity.observe("run", ms);
    },
    observeSettle: (queue, type, ms) => settled.observe(ms / 1000, queue, type),
    countAttempt(queue, type, outcome, job) {
      processed.add(1, queue, type, outcome);
      if (isActivityCounter(outcome)) activity.count(outcome);
      const ms = settling.has(outcome) ? getDueMs(job) : undefined;
      if (ms === undefined) return;
      total.observe(ms / 1000, queue, type);
      activity.observe("settle", ms);
    },
    countLostJob: (queue, type) => lostJobs.inc({ queue, type }),
  };
  return { meter, observeSettleBatch: (size: number) => batchSize.observe(size) };
}

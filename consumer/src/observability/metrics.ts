import {
  type ActivityRecorder,
  isActivityCounter,
} from "@toril/contract/engine/activity/activity-recorder";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { ScheduleRun } from "@toril/contract/api/schedule";
import {
  createCounter,
  createProcessMetrics,
} from "@toril/contract/engine/metrics/process-metrics";
import { Histogram } from "prom-client";
import {
  createLabelledCounter,
  createLabelledHistogram,
} from "@toril/contract/engine/metrics/labelled-metrics";
import type { AttemptMetrics } from "../worker/attempt/process-job.ts";
import { attemptOutcomes } from "@toril/contract/api/job-states";

const seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300];
const waits = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800, 7200];

export function createMetrics(
  jobTypes: JobTypeRegistry,
  queues: readonly string[],
  activity: ActivityRecorder,
) {
  const { registry, gauge, addLogShipper } = createProcessMetrics();
  const registers = [registry];
  const types = jobTypes.types
    .filter(({ queue }) => queues.includes(queue))
    .map(({ queue, type }) => ({ queue, type }));
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
    bounds: waits,
    labelNames,
  });
  const ran = createLabelledHistogram({
    name: "toril_job_run_seconds",
    help: "Duration of a handler's execution",
    bounds: seconds,
    labelNames,
  });
  const settled = createLabelledHistogram({
    name: "toril_job_settle_seconds",
    help: "Time from the end of a handler until its outcome was recorded, including the wait for a batch",
    bounds: seconds,
    labelNames,
  });
  for (const { metric } of [processed, waited, ran, settled]) registry.registerMetric(metric);
  const stalled = createCounter(
    registry,
    {
      name: "toril_jobs_stalled_total",
      help: "Stalled jobs: their worker was lost, and they were returned to the queue",
      labelNames: ["queue"],
    },
    queues.map((queue) => ({ queue })),
  );
  const lostJobs = createCounter(
    registry,
    {
      name: "toril_lost_jobs_total",
      help: "Jobs that are dead because too many attempts were lost with their consumers",
      labelNames: ["queue", "type"],
    },
    types,
  );
  const workerErrors = createCounter(registry, {
    name: "toril_worker_errors_total",
    help: "Errors of BullMQ's workers",
  });
  const scheduled = createCounter(
    registry,
    {
      name: "toril_schedule_runs_total",
      help: "Runs of schedules, by outcome",
      labelNames: ["outcome"],
    },
    ScheduleRun.shape.outcome.options.map((outcome) => ({ outcome })),
  );
  const batchSize = new Histogram({
    name: "toril_settle_batch_jobs",
    help: "Jobs per write to the ledger that settles them",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    registers,
  });
  const writes = new Histogram({
    name: "toril_ledger_write_seconds",
    help: "Duration of a batched write to the ledger, including its retries",
    labelNames: ["operation"],
    buckets: seconds,
    registers,
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
    countAttempt(queue, type, outcome) {
      processed.add(1, queue, type, outcome);
      if (isActivityCounter(outcome)) activity.count(outcome);
    },
    countLostJob: (queue, type) => lostJobs.inc({ queue, type }),
  };

  return {
    registry,
    meter,
    onStalled: (queue: string) => stalled.inc({ queue }),
    onScheduleRun: (outcome: string) => scheduled.inc({ outcome }),
    onWorkerError: () => workerErrors.inc(),
    onSettleBatch(size: number, ms: number) {
      batchSize.observe(size);
      writes.observe({ operation: "settle" }, ms / 1000);
    },
    gauge,
    addLogShipper,
  };
}

export type ConsumerMetrics = ReturnType<typeof createMetrics>;

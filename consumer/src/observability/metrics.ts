import type { ActivityRecorder } from "@toril/contract/engine/activity/activity-recorder";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { ScheduleRun } from "@toril/contract/api/schedule";
import {
  createCounter,
  createProcessMetrics,
} from "@toril/contract/engine/metrics/process-metrics";
import { Histogram } from "prom-client";
import {
  createAttemptMetrics,
  durationBuckets,
} from "@toril/contract/engine/metrics/attempt-metrics";

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
  const { meter, observeSettleBatch } = createAttemptMetrics(registry, types, activity);
  const stalled = createCounter(
    registry,
    {
      name: "toril_jobs_stalled_total",
      help: "Stalled jobs: their worker was lost, and they were returned to the queue",
      labelNames: ["queue"],
    },
    queues.map((queue) => ({ queue })),
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
  const writes = new Histogram({
    name: "toril_ledger_write_seconds",
    help: "Duration of a batched write to the ledger, including its retries",
    labelNames: ["operation"],
    buckets: durationBuckets,
    registers,
  });

  return {
    registry,
    meter,
    onStalled: (queue: string) => stalled.inc({ queue }),
    onScheduleRun: (outcome: string) => scheduled.inc({ outcome }),
    onWorkerError: () => workerErrors.inc(),
    onSettleBatch(size: number, ms: number) {
      observeSettleBatch(size);
      writes.observe({ operation: "settle" }, ms / 1000);
    },
    gauge,
    addLogShipper,
  };
}

export type ConsumerMetrics = ReturnType<typeof createMetrics>;

import type { LogShipper } from "@toril/contract/engine/logging/log-ship";
import { findJobType, jobTypeNames } from "@toril/contract/api/job-types/index";
import { ScheduleRun } from "@toril/contract/api/schedule";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AttemptMetrics } from "../worker/process-job.ts";
import { attemptOutcomes } from "@toril/contract/api/job-states";

const seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300];
const waits = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800, 7200];

export function createMetrics(queues: readonly string[]) {
  const registry = new Registry();
  const registers = [registry];
  const ofType = { labelNames: ["queue", "type"], registers };
  collectDefaultMetrics({ register: registry });
  const processed = new Counter({
    name: "bullmq_jobs_processed_total",
    help: "Starts of jobs, by what they came to",
    labelNames: ["queue", "type", "outcome"],
    registers,
  });
  // Initialize to 0: Prometheus sees no increase in a counter that first appears as 1.
  for (const type of jobTypeNames) {
    const queue = findJobType(type)?.queue ?? "";
    if (!queues.includes(queue)) continue;
    for (const outcome of attemptOutcomes) processed.inc({ queue, type, outcome }, 0);
  }
  const waited = new Histogram({
    name: "toril_job_wait_seconds",
    help: "From when a job was due until its first start",
    buckets: waits,
    ...ofType,
  });
  const ran = new Histogram({
    name: "toril_job_run_seconds",
    help: "How long a run of a handler took",
    buckets: seconds,
    ...ofType,
  });
  const settled = new Histogram({
    name: "toril_job_settle_seconds",
    help: "From a handler's end until it was recorded, the wait for a batch included",
    buckets: seconds,
    ...ofType,
  });
  const stalled = new Counter({
    name: "toril_jobs_stalled_total",
    help: "Jobs whose worker was lost and that were put back",
    labelNames: ["queue"],
    registers,
  });
  for (const queue of queues) stalled.inc({ queue }, 0);
  const givenUp = new Counter({
    name: "toril_jobs_given_up_total",
    help: "Jobs that are dead because too many attempts were lost with their consumers",
    ...ofType,
  });
  for (const type of jobTypeNames) {
    const queue = findJobType(type)?.queue ?? "";
    if (queues.includes(queue)) givenUp.inc({ queue, type }, 0);
  }
  const workerErrors = new Counter({
    name: "toril_worker_errors_total",
    help: "Errors of BullMQ's workers",
    registers,
  });
  const scheduled = new Counter({
    name: "toril_schedule_runs_total",
    help: "Due schedules, by what became of them",
    labelNames: ["outcome"],
    registers,
  });
  for (const outcome of ScheduleRun.shape.outcome.options) scheduled.inc({ outcome }, 0);
  const batchSize = new Histogram({
    name: "toril_settle_batch_jobs",
    help: "How many jobs shared one write to the ledger",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    registers,
  });
  const writes = new Histogram({
    name: "toril_ledger_write_seconds",
    help: "How long a shared write to the ledger took, its repetitions included",
    labelNames: ["operation"],
    buckets: seconds,
    registers,
  });

  const meter: AttemptMetrics = {
    observeWait: (queue, type, ms) => waited.observe({ queue, type }, ms / 1000),
    observeHandler: (queue, type, ms) => ran.observe({ queue, type }, ms / 1000),
    observeSettle: (queue, type, ms) => settled.observe({ queue, type }, ms / 1000),
    countAttempt: (queue, type, outcome) => processed.inc({ queue, type, outcome }),
    countLostJob: (queue, type) => givenUp.inc({ queue, type }),
  };

  function gauge(name: string, help: string, read: () => number) {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  }

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
    /** Adds metrics of the log shipper. */
    shipping(shipper: LogShipper) {
      gauge("toril_log_ship_connected", "1 while the aggregator takes log lines", () =>
        Number(shipper.isConnected),
      );
      gauge("toril_log_ship_buffered_bytes", "What waits for it", () => shipper.buffered);
      registry.registerMetric(
        new Counter({
          name: "toril_log_ship_dropped_total",
          help: "Log lines that were dropped because too many waited for it",
          registers: [],
          collect() {
            this.reset();
            this.inc(shipper.dropped);
          },
        }),
      );
    },
  };
}

import type { ActivityRecorder } from "@toril/contract/engine/activity/activity-recorder";
import type { Dispatch } from "@toril/contract/engine/redis/scripts/dispatch";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import { problemKinds } from "@toril/contract/api/problem";
import {
  createCounter,
  createProcessMetrics,
} from "@toril/contract/engine/metrics/process-metrics";
import { createAttemptMetrics } from "@toril/contract/engine/metrics/attempt-metrics";
import { createLabelledHistogram } from "@toril/contract/engine/metrics/labelled-metrics";
import { createRequestTimes, type RequestLabels } from "../http/request-times.ts";

export type Metrics = ReturnType<typeof createMetrics>;

const storeSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createMetrics(
  activity: ActivityRecorder,
  now: {
    waiting(): number;
    undispatched(): number;
    isRedisUnavailable(): boolean;
    listeners(): number;
    waitingWorkers(): number;
    pullTypes: readonly { queue: string; type: string }[];
  },
) {
  const { registry, gauge, addLogShipper } = createProcessMetrics();
  const requests = createRequestTimes("http_request_duration_seconds", "Duration of requests");
  const problems = createCounter(
    registry,
    {
      name: "toril_problems_total",
      help: "Requests that were refused or failed, by problem type",
      labelNames: ["kind"],
    },
    Object.keys(problemKinds).map((kind) => ({ kind })),
  );
  const batches = createLabelledHistogram({
    name: "toril_enqueue_batch_jobs",
    help: "Jobs per commit to the ledger",
    labelNames: ["lane"],
    bounds: [1, 2, 4, 8, 16, 32, 64, 128, 1000, 10_000],
  });
  const writes = createLabelledHistogram({
    name: "toril_ledger_write_seconds",
    help: "Duration of a batched write to the ledger, including its retries",
    labelNames: ["operation"],
    bounds: storeSeconds,
  });
  const dispatches = createLabelledHistogram({
    name: "toril_dispatch_seconds",
    help: "Duration of dispatching a batch of jobs to Redis",
    labelNames: [],
    bounds: storeSeconds,
  });
  for (const { metric } of [requests, batches, writes, dispatches]) registry.registerMetric(metric);
  const { meter: attempts, observeSettleBatch } = createAttemptMetrics(
    registry,
    now.pullTypes,
    activity,
  );
  gauge("toril_enqueue_waiting", "Requests that wait for a commit", now.waiting);
  gauge("toril_listeners", "Event streams, and requests that wait for a job", now.listeners);
  gauge("toril_waiting_workers", "Requests of HTTP workers that wait for jobs", now.waitingWorkers);
  gauge(
    "toril_undispatched_jobs",
    "Jobs recorded by this process and not dispatched",
    now.undispatched,
  );
  gauge("toril_redis_unavailable", "1 while Redis is unavailable", () =>
    Number(now.isRedisUnavailable()),
  );

  return {
    request(labels: RequestLabels, problem: string | undefined, ms: number) {
      requests.observe(labels, ms / 1000);
      if (problem !== undefined) problems.inc({ kind: problem });
      if (labels.status === 429 || labels.status === 503) activity.count("refused");
    },
    batch(lane: string, size: number) {
      batches.observe(size, lane);
    },
    ledgerWrite(ms: number) {
      writes.observe(ms / 1000, "accept");
      activity.observe("commit", ms);
    },
    dispatched(ms: number) {
      dispatches.observe(ms / 1000);
    },
    /** Attempts of workers that take jobs over HTTP. */
    attempts,
    settleBatch(size: number, ms: number) {
      observeSettleBatch(size);
      writes.observe(ms / 1000, "settle");
    },
    addLogShipper,
    registry,
    contentType: registry.contentType,
    render: () => registry.metrics(),
  };
}

/** Wraps a ledger to measure shared writes, retries included. */
export function timeLedger(ledger: Ledger, onWrite: (ms: number) => void): Ledger {
  return {
    ...ledger,
    retryUntil: (work, deadline) => timed(() => ledger.retryUntil(work, deadline), onWrite),
  };
}

export function timeDispatch(dispatch: Dispatch, onDispatched: (ms: number) => void): Dispatch {
  return (queue, jobs) => timed(() => dispatch(queue, jobs), onDispatched);
}

/** Failures count too: slow ones are what one looks for. */
async function timed<Result>(work: () => Promise<Result>, tell: (ms: number) => void) {
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    tell(performance.now() - startedAt);
  }
}

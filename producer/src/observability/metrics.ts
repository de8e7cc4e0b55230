import type { LogShipper } from "@toril/contract/engine/logging/log-ship";
import { problemKinds } from "@toril/contract/api/problem";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { createRequestTimes, type RequestLabels } from "../http/request-times.ts";

export type Metrics = ReturnType<typeof createMetrics>;

const storeSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createMetrics(now: {
  waiting(): number;
  undispatched(): number;
  isRedisAway(): boolean;
  listeners(): number;
}) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = createRequestTimes(
    "http_request_duration_seconds",
    "How long requests took to answer",
  );
  registry.registerMetric(requests.metric);
  const problems = new Counter({
    name: "toril_problems_total",
    help: "Requests that were refused or failed, by the kind of problem",
    labelNames: ["kind"],
    registers,
  });
  // Initialized to 0: Prometheus sees no increase if a counter first appears as 1.
  for (const kind of Object.keys(problemKinds)) problems.inc({ kind }, 0);
  const batches = new Histogram({
    name: "toril_enqueue_batch_jobs",
    help: "How many jobs shared one commit to the ledger",
    labelNames: ["lane"],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 1000, 10_000],
    registers,
  });
  const writes = new Histogram({
    name: "toril_ledger_write_seconds",
    help: "How long a shared write to the ledger took, its repetitions included",
    labelNames: ["operation"],
    buckets: storeSeconds,
    registers,
  });
  const dispatches = new Histogram({
    name: "toril_dispatch_seconds",
    help: "Duration of dispatching a batch of jobs to Redis",
    buckets: storeSeconds,
    registers,
  });
  gauge("toril_enqueue_waiting", "Requests that wait for a commit", now.waiting);
  gauge("toril_listeners", "Requests that wait for a job, and streams of events", now.listeners);
  gauge("toril_undispatched_jobs", "Jobs recorded here while Redis is away", now.undispatched);
  gauge("toril_redis_away", "1 while the dispatcher does not answer", () =>
    Number(now.isRedisAway()),
  );

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
    request(labels: RequestLabels, problem: string | undefined, ms: number) {
      requests.observe(labels, ms / 1000);
      if (problem !== undefined) problems.inc({ kind: problem });
    },
    batch(lane: string, size: number) {
      batches.observe({ lane }, size);
    },
    ledgerWrite(ms: number) {
      writes.observe({ operation: "accept" }, ms / 1000);
    },
    placed(ms: number) {
      dispatches.observe(ms / 1000);
    },
    /** Adds the metrics of log shipping. */
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
    registry,
    contentType: registry.contentType,
    render: () => registry.metrics(),
  };
}

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(now: {
  waiting(): number;
  unplaced(): number;
  isRedisAway(): boolean;
}) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: "http_request_duration_seconds",
    help: "How long requests took to answer",
    labelNames: ["method", "route", "status"],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const problems = new Counter({
    name: "toril_problems_total",
    help: "Requests that were refused or failed, by the kind of problem",
    labelNames: ["kind"],
    registers,
  });
  const batches = new Histogram({
    name: "toril_enqueue_batch_jobs",
    help: "How many jobs shared one commit to the ledger",
    labelNames: ["lane"],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 1000, 10_000],
    registers,
  });
  gauge("toril_enqueue_waiting", "Requests that wait for a commit", now.waiting);
  gauge("toril_unplaced_jobs", "Jobs recorded here while Redis is away", now.unplaced);
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
    request(
      labels: { method: string; route: string; status: number; problem: string | undefined },
      ms: number,
    ) {
      const { method, route, status, problem } = labels;
      requests.observe({ method, route, status }, ms / 1000);
      if (problem !== undefined) problems.inc({ kind: problem });
    },
    batch(lane: string, size: number) {
      batches.observe({ lane }, size);
    },
    contentType: registry.contentType,
    render: () => registry.metrics(),
  };
}

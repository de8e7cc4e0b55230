import { collectDefaultMetrics, Counter, Histogram, Registry } from "prom-client";
import type { Outcome } from "./verdict.ts";

export interface Metrics {
  registry: Registry;
  onOutcome(queue: string, type: string, outcome: Outcome): void;
  onSettleBatch(size: number): void;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const processed = new Counter({
    name: "bullmq_jobs_processed_total",
    help: "Starts of jobs, by what they came to",
    labelNames: ["queue", "type", "outcome"],
    registers: [registry],
  });
  const batchSize = new Histogram({
    name: "toril_settle_batch_size",
    help: "Jobs that share one write to the ledger",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    registers: [registry],
  });
  return {
    registry,
    onOutcome: (queue, type, outcome) => processed.inc({ queue, type, outcome }),
    onSettleBatch: (size) => batchSize.observe(size),
  };
}

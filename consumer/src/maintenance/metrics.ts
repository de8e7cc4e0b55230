import { createCounter } from "@toril/contract/engine/metrics/process-metrics";
import { Gauge, type Registry } from "prom-client";
import { type Retainable, deleteStatements } from "./retention-statements.ts";

/** Metrics of the retention; the age gauge exists only while this process is the leader. */
export function createRetentionMetrics(registry: Registry) {
  const deleted = createCounter(
    registry,
    {
      name: "toril_retention_deleted_total",
      help: "Rows that retention deleted from the ledger",
      labelNames: ["what"],
    },
    Object.keys(deleteStatements).map((what) => ({ what })),
  );
  const failures = createCounter(registry, {
    name: "toril_retention_failures_total",
    help: "Retention passes that failed",
  });
  const oldest = new Gauge({
    name: "toril_retention_oldest_seconds",
    help: "Age of the oldest row that retention may delete, after the last pass",
    labelNames: ["what"],
    registers: [registry],
  });

  return {
    onDeleted: (what: Retainable, count: number) => deleted.inc({ what }, count),
    onFailed: () => failures.inc(),
    onOldest: (what: Retainable, seconds: number | null) =>
      seconds === null ? oldest.remove({ what }) : oldest.set({ what }, seconds),
    onEnd: () => oldest.reset(),
  };
}

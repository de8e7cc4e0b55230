import { Counter, Gauge, type Registry } from "prom-client";
import { type Retainable, deleteStatements } from "./sweeps.ts";

/** Metrics of the retention; the age gauge exists only while this process is the leader. */
export function createRetentionMetrics(registry: Registry) {
  const registers = [registry];
  const deleted = new Counter({
    name: "toril_retention_deleted_total",
    help: "What was deleted from the ledger because it had been kept for long enough",
    labelNames: ["what"],
    registers,
  });
  for (const what of Object.keys(deleteStatements)) deleted.inc({ what }, 0);
  const failures = new Counter({
    name: "toril_retention_failures_total",
    help: "Passes of deleting that broke off",
    registers,
  });
  const oldest = new Gauge({
    name: "toril_retention_oldest_seconds",
    help: "How long ago the oldest of what is kept was done with, after the last pass",
    labelNames: ["what"],
    registers,
  });

  return {
    onDeleted: (what: Retainable, count: number) => deleted.inc({ what }, count),
    onFailed: () => failures.inc(),
    onOldest: (what: Retainable, seconds: number | null) =>
      seconds === null ? oldest.remove({ what }) : oldest.set({ what }, seconds),
    onEnd: () => oldest.reset(),
  };
}

import { createCounter } from "@toril/contract/engine/metrics/process-metrics";
import { Gauge, Histogram, type Registry } from "prom-client";
import type { WaitingParents } from "./graph-ledger.ts";
import type { PassReport } from "./reconcile.ts";
import type { RepairCounts } from "./pending/reconcile-jobs.ts";

const actions = ["redispatched", "postponed", "settled"] as const;

/** Metrics of the reconciler; the gauges exist only while this process is the leader. */
export function createReconcileMetrics(registry: Registry) {
  const registers = [registry];
  const passes = new Histogram({
    name: "toril_reconcile_pass_seconds",
    help: "Duration of a reconciliation pass",
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600],
    registers,
  });
  const failures = createCounter(registry, {
    name: "toril_reconcile_failures_total",
    help: "Reconciliation passes that failed",
  });
  const jobs = createCounter(
    registry,
    {
      name: "toril_reconciled_jobs_total",
      help: "Pending jobs that were missing or finished in Redis, by action of the reconciler",
      labelNames: ["action"],
    },
    actions.map((action) => ({ action })),
  );
  const leading = new Gauge({
    name: "toril_reconciler_leading",
    help: "1 in the consumer that leads the reconciler",
    registers,
  });
  const pending = new Gauge({
    name: "toril_ledger_pending_jobs",
    help: "Pending jobs in the ledger at the last reconciliation pass",
    registers,
  });
  const lastPass = new Gauge({
    name: "toril_reconcile_last_pass_timestamp_seconds",
    help: "Time of the last reconciliation pass",
    registers,
  });
  const waitingParents = new Gauge({
    name: "toril_graph_waiting_parents",
    help: "Jobs that wait for their children or an import, read every 30 s",
    registers,
  });
  const oldestParent = new Gauge({
    name: "toril_graph_oldest_seconds",
    help: "Age of the oldest job that waits for its children or an import; 0 if none waits",
    registers,
  });

  function forget() {
    for (const gauge of [pending, lastPass, waitingParents, oldestParent]) gauge.remove();
  }

  function count(counts: RepairCounts) {
    for (const action of actions) jobs.inc({ action }, counts[action]);
  }

  forget();
  return {
    onRepaired: count,
    onLead(isLeading: boolean) {
      leading.set(Number(isLeading));
      if (!isLeading) forget();
    },
    onPass(report: PassReport) {
      passes.observe(report.ms / 1000);
      lastPass.setToCurrentTime();
      pending.set(report.checked);
      count(report);
    },
    onPassFailed: () => failures.inc(),
    onWaiting({ count, oldestSeconds }: WaitingParents) {
      waitingParents.set(count);
      oldestParent.set(oldestSeconds);
    },
  };
}

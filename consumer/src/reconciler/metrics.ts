import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { PassReport } from "./reconcile.ts";

const actions = ["placed", "heldBack", "settled"] as const;

/** Metrics of the reconciler; the gauges exist only while this process is the leader. */
export function createReconcileMetrics(registry: Registry) {
  const registers = [registry];
  const passes = new Histogram({
    name: "toril_reconcile_pass_seconds",
    help: "How long comparing the ledger with Redis took",
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600],
    registers,
  });
  const failures = new Counter({
    name: "toril_reconcile_failures_total",
    help: "Comparisons that broke off",
    registers,
  });
  const jobs = new Counter({
    name: "toril_reconciled_jobs_total",
    help: "Pending jobs about which Redis did not agree, by what was done",
    labelNames: ["action"],
    registers,
  });
  for (const action of actions) jobs.inc({ action }, 0);
  const leading = new Gauge({
    name: "toril_reconciler_leading",
    help: "1 in the process that compares the ledger with Redis",
    registers,
  });
  const pending = new Gauge({
    name: "toril_ledger_pending_jobs",
    help: "Jobs in the ledger that had not ended at the last comparison",
    registers,
  });
  const lastPass = new Gauge({
    name: "toril_reconcile_last_pass_timestamp_seconds",
    help: "When the ledger was last compared with Redis",
    registers,
  });

  function forget() {
    pending.remove();
    lastPass.remove();
  }

  forget();
  return {
    onLead(isLeading: boolean) {
      leading.set(Number(isLeading));
      if (!isLeading) forget();
    },
    onPass(report: PassReport) {
      passes.observe(report.ms / 1000);
      lastPass.setToCurrentTime();
      pending.set(report.seen);
      for (const action of actions) jobs.inc({ action }, report[action]);
    },
    onPassFailed: () => failures.inc(),
  };
}

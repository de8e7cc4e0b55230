import type { Dashboard, Query } from "./panels.ts";

const perSecond = "[$__rate_interval]";

/** Queries for p50 and p99 of a histogram. */
function quantiles(metric: string, by: string, selector = ""): Query[] {
  const labels = ["le", ...(by === "" ? [] : [by])].join(", ");
  const legend = by === "" ? "" : `{{${by}}} `;
  return [0.5, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${labels}) (rate(${metric}_bucket${selector}${perSecond})))`,
    legend: `${legend}p${quantile * 100}`,
  }));
}

/** The service: requests, queues, processing, reconciler, processes. */
export const toril: Dashboard = {
  uid: "toril",
  title: "Toril",
  rows: [
    {
      title: "Overview",
      panels: [
        {
          title: "Waiting jobs",
          unit: "short",
          isStat: true,
          queries: [{ expr: "sum(toril:backlog:jobs)", legend: "" }],
        },
        {
          title: "Oldest waiting job",
          unit: "s",
          isStat: true,
          queries: [{ expr: "max(toril_queue_oldest_seconds)", legend: "" }],
        },
        {
          title: "Dead in the last hour",
          unit: "short",
          isStat: true,
          queries: [
            {
              expr: 'sum(increase(bullmq_jobs_processed_total{outcome="dead"}[1h]))',
              legend: "",
            },
          ],
        },
        {
          title: "Producers",
          unit: "short",
          isStat: true,
          queries: [{ expr: 'sum(up{job="producer"})', legend: "" }],
        },
        {
          title: "Consumers",
          unit: "short",
          isStat: true,
          queries: [{ expr: 'sum(up{job="consumer"})', legend: "" }],
        },
        {
          title: "Firing alerts",
          unit: "short",
          isStat: true,
          queries: [{ expr: 'count(ALERTS{alertstate="firing"}) or vector(0)', legend: "" }],
        },
      ],
    },
    {
      title: "Accepting",
      panels: [
        {
          title: "Requests",
          unit: "reqps",
          queries: [
            {
              expr: `sum by (route, status) (rate(http_request_duration_seconds_count${perSecond}))`,
              legend: "{{route}} {{status}}",
            },
          ],
        },
        {
          title: "POST /v1/jobs",
          unit: "s",
          queries: quantiles(
            "http_request_duration_seconds",
            "",
            '{method="POST", route="/v1/jobs"}',
          ),
        },
        {
          title: "Error responses",
          unit: "reqps",
          queries: [
            {
              expr: `sum by (kind) (rate(toril_problems_total${perSecond})) > 0`,
              legend: "{{kind}}",
            },
          ],
        },
      ],
    },
    {
      title: "Queues",
      panels: [
        {
          title: "Jobs in Redis",
          unit: "short",
          queries: [
            {
              expr: "max by (queue, state) (bullmq_queue_size)",
              legend: "{{queue}} {{state}}",
            },
          ],
        },
        {
          title: "Age of the oldest waiting job",
          unit: "s",
          queries: [{ expr: "max by (queue) (toril_queue_oldest_seconds)", legend: "{{queue}}" }],
        },
        {
          title: "Pending in the ledger",
          description:
            "Pending: at the last pass of the reconciler. Undispatched: recorded while Redis was unavailable.",
          unit: "short",
          queries: [
            { expr: "max(toril_ledger_pending_jobs)", legend: "pending" },
            { expr: "sum(toril_undispatched_jobs)", legend: "not dispatched yet" },
          ],
        },
      ],
    },
    {
      title: "Processing",
      panels: [
        {
          title: "Attempts by outcome",
          unit: "ops",
          queries: [
            {
              expr: `sum by (type, outcome) (rate(bullmq_jobs_processed_total${perSecond})) > 0`,
              legend: "{{type}} {{outcome}}",
            },
          ],
        },
        {
          title: "Wait until the first attempt",
          unit: "s",
          queries: quantiles("toril_job_wait_seconds", "queue"),
        },
        {
          title: "Handler duration",
          unit: "s",
          queries: quantiles("toril_job_run_seconds", "type"),
        },
        { title: "Settling", unit: "s", queries: quantiles("toril_job_settle_seconds", "type") },
      ],
    },
    {
      title: "Batches and stores",
      panels: [
        {
          title: "Jobs per batch",
          unit: "short",
          queries: [
            {
              expr: `sum by (lane) (rate(toril_enqueue_batch_jobs_sum${perSecond})) / sum by (lane) (rate(toril_enqueue_batch_jobs_count${perSecond}))`,
              legend: "accept {{lane}}",
            },
            {
              expr: `sum(rate(toril_settle_batch_jobs_sum${perSecond})) / sum(rate(toril_settle_batch_jobs_count${perSecond}))`,
              legend: "settle",
            },
          ],
        },
        {
          title: "Batched writes to Postgres",
          unit: "s",
          queries: quantiles("toril_ledger_write_seconds", "operation"),
        },
        {
          title: "Dispatching to Redis",
          unit: "s",
          queries: quantiles("toril_dispatch_seconds", ""),
        },
        {
          title: "Waiting for a commit",
          unit: "short",
          queries: [{ expr: "toril_enqueue_waiting", legend: "{{instance}}" }],
        },
      ],
    },
    {
      title: "Reconciler",
      panels: [
        {
          title: "Repaired jobs",
          unit: "ops",
          queries: [
            {
              expr: `sum by (action) (rate(toril_reconciled_jobs_total${perSecond}))`,
              legend: "{{action}}",
            },
          ],
        },
        {
          title: "Passes",
          unit: "s",
          queries: [
            ...quantiles("toril_reconcile_pass_seconds", ""),
            {
              expr: "time() - max(toril_reconcile_last_pass_timestamp_seconds)",
              legend: "since the last pass",
            },
          ],
        },
        {
          title: "Failures",
          unit: "ops",
          queries: [
            { expr: `sum(rate(toril_reconcile_failures_total${perSecond}))`, legend: "passes" },
            {
              expr: `sum by (queue) (rate(toril_jobs_stalled_total${perSecond}))`,
              legend: "stalled {{queue}}",
            },
            { expr: `sum(rate(toril_worker_errors_total${perSecond}))`, legend: "worker errors" },
          ],
        },
      ],
    },
    {
      title: "Schedules and retention",
      panels: [
        {
          title: "Due schedules by outcome",
          unit: "ops",
          queries: [
            {
              expr: `sum by (outcome) (rate(toril_schedule_runs_total${perSecond}))`,
              legend: "{{outcome}}",
            },
          ],
        },
        {
          title: "Rows deleted by retention",
          unit: "ops",
          queries: [
            {
              expr: `sum by (what) (rate(toril_retention_deleted_total${perSecond}))`,
              legend: "{{what}}",
            },
            {
              expr: `sum(rate(toril_retention_failures_total${perSecond}))`,
              legend: "failed passes",
            },
          ],
        },
        {
          title: "Age of the oldest row",
          unit: "s",
          queries: [{ expr: "max by (what) (toril_retention_oldest_seconds)", legend: "{{what}}" }],
        },
      ],
    },
    {
      title: "Processes",
      panels: [
        {
          title: "CPU",
          unit: "percentunit",
          queries: [
            {
              expr: `rate(process_cpu_seconds_total{job=~"producer|consumer"}${perSecond})`,
              legend: "{{job}} {{instance}}",
            },
          ],
        },
        {
          title: "Resident memory",
          unit: "bytes",
          queries: [
            {
              expr: 'process_resident_memory_bytes{job=~"producer|consumer"}',
              legend: "{{job}} {{instance}}",
            },
          ],
        },
        {
          title: "Event loop lag, p99",
          unit: "s",
          queries: [
            {
              expr: 'nodejs_eventloop_lag_p99_seconds{job=~"producer|consumer"}',
              legend: "{{job}} {{instance}}",
            },
          ],
        },
        {
          title: "Active jobs",
          unit: "short",
          queries: [{ expr: "toril_jobs_active", legend: "{{instance}}" }],
        },
        {
          title: "Log shipping",
          unit: "short",
          queries: [
            {
              expr: `rate(toril_log_ship_dropped_total${perSecond})`,
              legend: "dropped {{job}} {{instance}}",
            },
            { expr: "toril_log_ship_connected", legend: "connected {{job}} {{instance}}" },
          ],
        },
      ],
    },
  ],
};

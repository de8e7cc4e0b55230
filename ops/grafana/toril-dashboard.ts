import { type Dashboard, graph, type Query, query, stat } from "./panels.ts";

const perSecond = "[$__rate_interval]";

/** Queries for p50 and p99 of a histogram. */
function quantiles(metric: string, by: string, selector = ""): Query[] {
  const labels = ["le", ...(by === "" ? [] : [by])].join(", ");
  const legend = by === "" ? "" : `{{${by}}} `;
  return [0.5, 0.99].map((quantile) =>
    query(
      `histogram_quantile(${quantile}, sum by (${labels}) (rate(${metric}_bucket${selector}${perSecond})))`,
      `${legend}p${quantile * 100}`,
    ),
  );
}

/** The service: requests, queues, processing, reconciler, processes. */
export const toril: Dashboard = {
  uid: "toril",
  title: "Toril",
  rows: [
    {
      title: "Overview",
      panels: [
        stat("Waiting jobs", "short", query("sum(toril:backlog:jobs)", "")),
        stat("Oldest waiting job", "s", query("max(toril_queue_oldest_seconds)", "")),
        stat(
          "Dead in the last hour",
          "short",
          query('sum(increase(bullmq_jobs_processed_total{outcome="dead"}[1h]))', ""),
        ),
        stat("Producers", "short", query('sum(up{job="producer"})', "")),
        stat("Consumers", "short", query('sum(up{job="consumer"})', "")),
        stat(
          "Firing alerts",
          "short",
          query('count(ALERTS{alertstate="firing"}) or vector(0)', ""),
        ),
      ],
    },
    {
      title: "Accepting",
      panels: [
        graph(
          "Requests",
          "reqps",
          query(
            `sum by (route, status) (rate(http_request_duration_seconds_count${perSecond}))`,
            "{{route}} {{status}}",
          ),
        ),
        graph(
          "POST /v1/jobs",
          "s",
          ...quantiles("http_request_duration_seconds", "", '{method="POST", route="/v1/jobs"}'),
        ),
        graph(
          "Error responses",
          "reqps",
          query(`sum by (kind) (rate(toril_problems_total${perSecond})) > 0`, "{{kind}}"),
        ),
      ],
    },
    {
      title: "Queues",
      panels: [
        graph(
          "Jobs in Redis",
          "short",
          query("max by (queue, state) (bullmq_queue_size)", "{{queue}} {{state}}"),
        ),
        graph(
          "Age of the oldest waiting job",
          "s",
          query("max by (queue) (toril_queue_oldest_seconds)", "{{queue}}"),
        ),
        {
          ...graph(
            "Pending in the ledger",
            "short",
            query("max(toril_ledger_pending_jobs)", "pending"),
            query("sum(toril_undispatched_jobs)", "not dispatched yet"),
          ),
          description:
            "Pending: at the last pass of the reconciler. Undispatched: recorded while Redis was unavailable.",
        },
        {
          ...graph(
            "Jobs that wait for their children",
            "short",
            query("max(toril_graph_waiting_parents)", "waiting"),
            query("max(toril_graph_oldest_seconds) / 3600", "age of the oldest, in hours"),
          ),
          description: "Parents of graphs, and jobs that wait for a bulk request or an import.",
        },
      ],
    },
    {
      title: "Processing",
      panels: [
        graph(
          "Attempts by outcome",
          "ops",
          query(
            `sum by (type, outcome) (rate(bullmq_jobs_processed_total${perSecond})) > 0`,
            "{{type}} {{outcome}}",
          ),
        ),
        graph("Wait until the first attempt", "s", ...quantiles("toril_job_wait_seconds", "queue")),
        graph("Handler duration", "s", ...quantiles("toril_job_run_seconds", "type")),
        graph("Time to settle", "s", ...quantiles("toril_job_total_seconds", "queue")),
        graph("Settling", "s", ...quantiles("toril_job_settle_seconds", "type")),
      ],
    },
    {
      title: "Batches and stores",
      panels: [
        graph(
          "Jobs per batch",
          "short",
          query(
            `sum by (lane) (rate(toril_enqueue_batch_jobs_sum${perSecond})) / sum by (lane) (rate(toril_enqueue_batch_jobs_count${perSecond}))`,
            "accept {{lane}}",
          ),
          query(
            `sum(rate(toril_settle_batch_jobs_sum${perSecond})) / sum(rate(toril_settle_batch_jobs_count${perSecond}))`,
            "settle",
          ),
        ),
        graph(
          "Batched writes to Postgres",
          "s",
          ...quantiles("toril_ledger_write_seconds", "operation"),
        ),
        graph("Dispatching to Redis", "s", ...quantiles("toril_dispatch_seconds", "")),
        graph("Waiting for a commit", "short", query("toril_enqueue_waiting", "{{instance}}")),
      ],
    },
    {
      title: "Reconciler",
      panels: [
        graph(
          "Repaired jobs",
          "ops",
          query(`sum by (action) (rate(toril_reconciled_jobs_total${perSecond}))`, "{{action}}"),
        ),
        graph(
          "Passes",
          "s",
          ...quantiles("toril_reconcile_pass_seconds", ""),
          query("time() - max(toril_reconcile_last_pass_timestamp_seconds)", "since the last pass"),
        ),
        graph(
          "Failures",
          "ops",
          query(`sum(rate(toril_reconcile_failures_total${perSecond}))`, "passes"),
          query(`sum by (queue) (rate(toril_jobs_stalled_total${perSecond}))`, "stalled {{queue}}"),
          query(`sum(rate(toril_worker_errors_total${perSecond}))`, "worker errors"),
        ),
      ],
    },
    {
      title: "Schedules and retention",
      panels: [
        graph(
          "Due schedules by outcome",
          "ops",
          query(`sum by (outcome) (rate(toril_schedule_runs_total${perSecond}))`, "{{outcome}}"),
        ),
        graph(
          "Rows deleted by retention",
          "ops",
          query(`sum by (what) (rate(toril_retention_deleted_total${perSecond}))`, "{{what}}"),
          query(`sum(rate(toril_retention_failures_total${perSecond}))`, "failed passes"),
        ),
        graph(
          "Age of the oldest row",
          "s",
          query("max by (what) (toril_retention_oldest_seconds)", "{{what}}"),
        ),
      ],
    },
    {
      title: "Processes",
      panels: [
        graph(
          "CPU",
          "percentunit",
          query(
            `rate(process_cpu_seconds_total{job=~"producer|consumer"}${perSecond})`,
            "{{job}} {{instance}}",
          ),
        ),
        graph(
          "Resident memory",
          "bytes",
          query('process_resident_memory_bytes{job=~"producer|consumer"}', "{{job}} {{instance}}"),
        ),
        graph(
          "Event loop lag, p99",
          "s",
          query(
            'nodejs_eventloop_lag_p99_seconds{job=~"producer|consumer"}',
            "{{job}} {{instance}}",
          ),
        ),
        graph("Active jobs", "short", query("toril_jobs_active", "{{instance}}")),
        graph(
          "Log shipping",
          "short",
          query(`rate(toril_log_ship_dropped_total${perSecond})`, "dropped {{job}} {{instance}}"),
          query("toril_log_ship_connected", "connected {{job}} {{instance}}"),
        ),
      ],
    },
  ],
};

import {
  historySlotMs,
  type HistoryRange,
  type OverviewHistory,
  type OverviewSlot,
} from "@toril/contract/api/overview";
import type { Logger } from "pino";
import { ProblemError } from "../../http/problem.ts";
import { type PrometheusSettings, queryPrometheus, type Samples } from "./query-prometheus.ts";

/** Throws a problem if no Prometheus is configured, or if it does not answer. */
export type ReadHistory = (range: HistoryRange) => Promise<OverviewHistory>;

/** Limits queries, however many people watch, and aligns them, so that values do not change between two reads. */
const refreshMs = 15_000;
const rangeMs: Record<HistoryRange, number> = {
  "6h": 6 * 3_600_000,
  "24h": 24 * 3_600_000,
  "7d": 7 * 24 * 3_600_000,
};

/** Creates the reader of the history. */
export function createReadHistory(
  settings: PrometheusSettings | undefined,
  log: Logger,
): ReadHistory {
  if (settings === undefined) {
    return () => {
      throw new ProblemError(
        "history-not-configured",
        "Set PROMETHEUS_URL of the producers to a Prometheus that scrapes them.",
      );
    };
  }

  const prometheus = settings;
  const cache = new Map<HistoryRange, { end: number; reading: Promise<OverviewHistory> }>();

  async function read(range: HistoryRange, end: number): Promise<OverviewHistory> {
    const stepMs = historySlotMs[range];
    const start = end - rangeMs[range] + stepMs;
    try {
      const expressions = toExpressions(prometheus.matchers, stepMs / 1000);
      const found = await queryPrometheus(prometheus, expressions, { start, end, stepMs });
      const moments = Array.from(
        { length: rangeMs[range] / stepMs },
        (_, index) => start + index * stepMs,
      );
      return { range, slotMs: stepMs, slots: moments.map((at) => toSlot(found, at, stepMs)) };
    } catch (error) {
      log.warn({ err: error, url: prometheus.url }, "Prometheus did not return the history");
      throw new ProblemError(
        "history-unavailable",
        "The Prometheus at PROMETHEUS_URL is unavailable or refused the query; the log of the producer has the reason.",
      );
    }
  }

  return (range) => {
    const end = Math.floor(Date.now() / refreshMs) * refreshMs;
    const cached = cache.get(range);
    if (cached?.end === end) return cached.reading;
    const reading = read(range, end);
    cache.set(range, { end, reading });
    return reading;
  };
}

/** Fields of a slot, as expressions over the metrics of producers and consumers. */
function toExpressions(matchers: string, seconds: number): Record<string, string> {
  const over = `[${seconds}s]`;
  const select = (name: string, own = "") =>
    `${name}{${[own, matchers].filter(Boolean).join(",")}}`;
  // Every producer reports the same values of the queues.
  const queued = (states: string) =>
    `sum(max by (queue, state) (max_over_time(${select("bullmq_queue_size", `state=~"${states}"`)}${over})))`;
  const arrivals = `sum(max by (queue) (rate(${select("bullmq_jobs_added_total")}${over})))`;
  const growth = `sum(max by (queue, state) (delta(${select("bullmq_queue_size", 'state!="failed"')}${over}))) / ${seconds}`;
  const attempts = (outcome: string) =>
    `sum(increase(${select("bullmq_jobs_processed_total", `outcome="${outcome}"`)}${over}))`;
  const quantile = (share: number, metric: string, own = "") =>
    `1000 * histogram_quantile(${share}, sum by (le) (rate(${select(`${metric}_bucket`, own)}${over})))`;
  const quantiles = (name: string, metric: string, own?: string) => ({
    [`${name}P50`]: quantile(0.5, metric, own),
    [`${name}P95`]: quantile(0.95, metric, own),
  });
  return {
    in: arrivals,
    out: `clamp_min(${arrivals} - ${growth}, 0)`,
    waiting: queued("waiting|prioritized"),
    active: queued("active"),
    delayed: queued("delayed"),
    oldestWaitingMs: `1000 * max(max_over_time(${select("toril_queue_oldest_seconds")}${over}))`,
    completed: attempts("completed"),
    retried: attempts("retried"),
    dead: attempts("dead"),
    expired: attempts("expired"),
    refused: `sum(increase(${select("http_request_duration_seconds_count", 'status=~"429|503"')}${over}))`,
    ...quantiles("start", "toril_job_wait_seconds"),
    ...quantiles("run", "toril_job_run_seconds"),
    ...quantiles("settle", "toril_job_total_seconds"),
    ...quantiles("commit", "toril_ledger_write_seconds", 'operation="accept"'),
  };
}

function toSlot(found: ReadonlyMap<string, Samples>, end: number, stepMs: number): OverviewSlot {
  const get = (name: string) => found.get(name)?.get(end);
  const gauge = (name: string) => round(get(name), 1);
  const count = (name: string) => round(get(name), 1) ?? 0;
  const rate = (name: string) => round(get(name), 100);
  const durations = (name: string) => {
    const [p50, p95] = [rate(`${name}P50`), rate(`${name}P95`)];
    return p50 === null || p95 === null ? null : { p50, p95 };
  };
  return {
    at: new Date(end - stepMs).toISOString(),
    in: rate("in"),
    out: rate("out"),
    waiting: gauge("waiting"),
    active: gauge("active"),
    delayed: gauge("delayed"),
    oldestWaitingMs: gauge("oldestWaitingMs"),
    completed: count("completed"),
    retried: count("retried"),
    dead: count("dead"),
    expired: count("expired"),
    refused: count("refused"),
    startMs: durations("start"),
    runMs: durations("run"),
    settleMs: durations("settle"),
    commitMs: durations("commit"),
  };
}

/** @param precision steps per unit */
function round(value: number | undefined, precision: number): number | null {
  return value === undefined ? null : Math.round(Math.max(0, value) * precision) / precision;
}

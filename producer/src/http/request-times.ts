import type { Metric } from "prom-client";

const bounds = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export interface RequestLabels {
  method: string;
  route: string;
  status: number;
}

export interface RequestTimes {
  observe(labels: RequestLabels, seconds: number): void;
  metric: Metric;
}

interface Series {
  labels: RequestLabels;
  /** Counts per bucket; the last one is above all bounds. */
  counts: number[];
  seconds: number;
}

/**
 * Creates a histogram of request durations. It renders like prom-client's own, which would cost 2% of accepting a job.
 */
export function createRequestTimes(name: string, help: string): RequestTimes {
  const byRoute = new Map<string, Series[]>();

  function findSeries(labels: RequestLabels): Series {
    const { method, route, status } = labels;
    let routeSeries = byRoute.get(route);
    if (routeSeries === undefined) byRoute.set(route, (routeSeries = []));
    for (const series of routeSeries) {
      if (series.labels.status === status && series.labels.method === method) return series;
    }
    const series = { labels, counts: Array<number>(bounds.length + 1).fill(0), seconds: 0 };
    routeSeries.push(series);
    return series;
  }

  function get() {
    const values = [...byRoute.values()].flat().flatMap((series) => toValues(name, series));
    return Promise.resolve({ name, help, type: "histogram", values, aggregator: "sum" });
  }

  return {
    observe(labels, seconds) {
      const series = findSeries(labels);
      let at = 0;
      while (at < bounds.length && seconds > (bounds[at] ?? 0)) at += 1;
      series.counts[at] = (series.counts[at] ?? 0) + 1;
      series.seconds += seconds;
    },
    metric: asMetric({ name, get }),
  };
}

function toValues(name: string, { labels, counts, seconds }: Series) {
  let count = 0;
  const buckets = counts.map((own, at) => {
    count += own;
    return {
      metricName: `${name}_bucket`,
      labels: { le: bounds[at] ?? "+Inf", ...labels },
      value: count,
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: labels, value: seconds },
    { metricName: `${name}_count`, labels: labels, value: count },
  ];
}

/** Safe cast: a registry uses no other members of a metric. */
function asMetric(metric: { name: string; get(): Promise<unknown> }): Metric {
  return metric as unknown as Metric;
}

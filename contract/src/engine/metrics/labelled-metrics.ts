import type { Metric } from "prom-client";

/** Values of the labels, in the order of their names. */
type LabelValues = readonly string[];

interface Described {
  name: string;
  help: string;
  labelNames: readonly string[];
}

/**
 * Series by the values of their labels. prom-client builds and sorts a text of all labels for each observation, which
 * would cost more than the rest of the bookkeeping for a job.
 */
class SeriesTable<Series> {
  readonly #root = new Map<string, unknown>();
  readonly #all: { values: LabelValues; series: Series }[] = [];
  readonly #create: () => Series;

  constructor({ labelNames }: Described, create: () => Series) {
    this.#create = create;
    // As with prom-client, a metric without labels has its one series from the start.
    if (labelNames.length === 0) this.find([]);
  }

  find(values: LabelValues): Series {
    let level = this.#root;
    const last = values.length - 1;
    for (let at = 0; at < last; at += 1) {
      let next = level.get(values[at] ?? "") as Map<string, unknown> | undefined;
      if (next === undefined) level.set(values[at] ?? "", (next = new Map()));
      level = next;
    }
    let series = level.get(values[last] ?? "") as Series | undefined;
    if (series === undefined) {
      series = this.#create();
      level.set(values[last] ?? "", series);
      this.#all.push({ values: [...values], series });
    }
    return series;
  }

  flatMap<Value>(
    labelNames: readonly string[],
    toValues: (labels: Record<string, string>, series: Series) => Value[],
  ): Value[] {
    return this.#all.flatMap(({ values, series }) => {
      const labels = Object.fromEntries(labelNames.map((name, at) => [name, values[at] ?? ""]));
      return toValues(labels, series);
    });
  }
}

export interface LabelledCounter {
  add(count: number, ...values: LabelValues): void;
  metric: Metric;
}

/** Creates a counter that renders like prom-client's own. */
export function createLabelledCounter(described: Described): LabelledCounter {
  const { name, help, labelNames } = described;
  const table = new SeriesTable(described, () => ({ count: 0 }));
  const toValues = (labels: Record<string, string>, { count }: { count: number }) => [
    { labels, value: count },
  ];
  return {
    add(count, ...values) {
      table.find(values).count += count;
    },
    metric: asMetric({
      name,
      get: async () => {
        const values = table.flatMap(labelNames, toValues);
        return { name, help, type: "counter", values, aggregator: "sum" };
      },
    }),
  };
}

export interface LabelledHistogram {
  observe(value: number, ...values: LabelValues): void;
  metric: Metric;
}

interface Distribution {
  /** Counts per bucket; the last one is above all bounds. */
  counts: number[];
  sum: number;
}

/** Creates a histogram that renders like prom-client's own. */
export function createLabelledHistogram(
  described: Described & { bounds: readonly number[] },
): LabelledHistogram {
  const { name, help, labelNames, bounds } = described;
  const table = new SeriesTable<Distribution>(described, () => ({
    counts: Array<number>(bounds.length + 1).fill(0),
    sum: 0,
  }));

  function toValues(labels: Record<string, string>, { counts, sum }: Distribution) {
    let count = 0;
    const buckets = counts.map((own, at) => {
      count += own;
      const bound = { le: bounds[at] ?? "+Inf", ...labels };
      return { metricName: `${name}_bucket`, labels: bound, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }

  return {
    observe(value, ...values) {
      const series = table.find(values);
      let at = 0;
      while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1;
      series.counts[at] = (series.counts[at] ?? 0) + 1;
      series.sum += value;
    },
    metric: asMetric({
      name,
      get: async () => {
        const values = table.flatMap<object>(labelNames, toValues);
        return { name, help, type: "histogram", values, aggregator: "sum" };
      },
    }),
  };
}

/** Safe cast: a registry uses no other members of a metric. */
function asMetric(metric: { name: string; get(): Promise<unknown> }): Metric {
  return metric as unknown as Metric;
}

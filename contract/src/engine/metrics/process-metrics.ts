import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import type { LogShipper } from "../logging/log-ship.ts";

/** The metrics of a process. */
export interface ProcessMetrics {
  registry: Registry;
  /** Adds a gauge that is read on scrape. */
  gauge(name: string, help: string, read: () => number): void;
  /** Adds the metrics of log shipping. */
  addLogShipper(shipper: LogShipper): void;
}

/** Creates a registry with the default metrics of the process. */
export function createProcessMetrics(): ProcessMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  function gauge(name: string, help: string, read: () => number) {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  }

  return {
    registry,
    gauge,
    addLogShipper(shipper) {
      gauge("toril_log_ship_connected", "1 while connected to the log aggregator", () =>
        Number(shipper.isConnected),
      );
      gauge(
        "toril_log_ship_buffered_bytes",
        "Log lines that wait for the log aggregator",
        () => shipper.buffered,
      );
      registry.registerMetric(
        new Counter({
          name: "toril_log_ship_dropped_total",
          help: "Log lines that were dropped because the buffer was full",
          registers: [],
          collect() {
            this.reset();
            this.inc(shipper.dropped);
          },
        }),
      );
    },
  };
}

/** Creates a counter whose series start at 0: Prometheus sees no increase in a series that first appears as 1. */
export function createCounter<Label extends string>(
  registry: Registry,
  { name, help, labelNames = [] }: { name: string; help: string; labelNames?: readonly Label[] },
  series: Iterable<Record<Label, string>> = [],
): Counter<Label> {
  const counter = new Counter<Label>({ name, help, labelNames, registers: [registry] });
  for (const labels of series) counter.inc(labels, 0);
  return counter;
}

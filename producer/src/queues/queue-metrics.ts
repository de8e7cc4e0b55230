import type { QueueSize } from "@toril/contract/engine/queues/queue-sizes";
import { Gauge, type Registry } from "prom-client";

/** Limits reads from Redis, however often the metrics are scraped. */
const cacheMs = 1000;

/**
 * Adds queue gauges that are read on scrape, and empty while Redis is unavailable. Every producer reports the same
 * values.
 */
export function addQueueMetrics(
  registry: Registry,
  readSizes: () => Promise<readonly QueueSize[]>,
): void {
  let reading: Promise<readonly QueueSize[]> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;

  function getSizes() {
    if (reading === undefined || performance.now() - readAt > cacheMs) {
      readAt = performance.now();
      reading = readSizes().catch(() => []);
    }
    return reading;
  }

  registry.registerMetric(
    new Gauge({
      name: "bullmq_queue_size",
      help: "Jobs in Redis, by queue and state",
      labelNames: ["queue", "state"],
      registers: [],
      async collect() {
        this.reset();
        for (const { queue, counts } of await getSizes()) {
          for (const [state, count] of Object.entries(counts)) this.set({ queue, state }, count);
        }
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "toril_queue_oldest_seconds",
      help: "For how long the next job of a queue has been ready to run; 0 when none waits",
      labelNames: ["queue"],
      registers: [],
      async collect() {
        this.reset();
        for (const { queue, oldestMs } of await getSizes()) this.set({ queue }, oldestMs / 1000);
      },
    }),
  );
}

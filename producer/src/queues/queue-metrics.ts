import { Counter, Gauge, type Registry } from "prom-client";
import type { createQueues } from "./queues.ts";

/** Limits reads from Redis, however often the metrics are scraped. */
const cacheMs = 1000;

/**
 * Adds metrics of the queues that are read on scrape, and empty while Redis is unavailable. Every producer reports the
 * same values.
 */
export function addQueueMetrics(
  registry: Registry,
  queues: Pick<ReturnType<typeof createQueues>, "readSizes" | "readArrivals">,
): void {
  const getSizes = cached(queues.readSizes);
  const getArrivals = cached(queues.readArrivals);

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
  registry.registerMetric(
    new Counter({
      name: "bullmq_jobs_added_total",
      help: "Jobs ever added to Redis, by queue; begins again at 0 after a FLUSHALL",
      labelNames: ["queue"],
      registers: [],
      async collect() {
        const arrivals = await getArrivals();
        this.reset();
        for (const { queue, added } of arrivals) this.inc({ queue }, added);
      },
    }),
  );
}

function cached<Item>(read: () => Promise<readonly Item[]>): () => Promise<readonly Item[]> {
  let reading: Promise<readonly Item[]> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (reading === undefined || performance.now() - readAt > cacheMs) {
      readAt = performance.now();
      reading = read().catch(() => []);
    }
    return reading;
  };
}

import type { ActivityLog } from "@toril/contract/engine/activity/activity-log";
import type { QueueArrivals } from "@toril/contract/engine/queues/watch-queue";
import type { QueueSize } from "@toril/contract/engine/queues/queue-sizes";

/** Values at a moment, summed over all queues. Every producer samples the same, so the last one counts. */
export interface Gauges {
  waiting: number;
  active: number;
  delayed: number;
  oldestMs: number;
  /** Jobs ever added to the queues. */
  added: number;
  /** Jobs in the queues that are not finished. */
  backlog: number;
  /** Time of the sample, in milliseconds since 1970. */
  sampledMs: number;
}

export interface SamplerDeps {
  activity: Pick<ActivityLog, "add">;
  readSizes(): Promise<readonly QueueSize[]>;
  /** Returns the arrivals of every queue. */
  readArrivals(): Promise<readonly QueueArrivals[]>;
}

const sampleEveryMs = 5000;

/** Writes the gauges to the activity log regularly, so that the overview has a history when someone looks. */
export function startGaugeSampler({ activity, readSizes, readArrivals }: SamplerDeps): {
  close(): void;
} {
  async function sample() {
    const [sizes, arrivals] = await Promise.all([readSizes(), readArrivals()]);
    await activity.add(new Map(), { ...toGauges(sizes, arrivals) });
  }
  // Redis is unavailable: the gap is visible in the overview.
  const start = () => void sample().catch(() => {});
  const timer = setInterval(start, sampleEveryMs);
  start();
  return { close: () => clearInterval(timer) };
}

function toGauges(sizes: readonly QueueSize[], arrivals: readonly QueueArrivals[]): Gauges {
  const sum = <Item>(items: readonly Item[], pick: (item: Item) => number) =>
    items.reduce((total, item) => total + pick(item), 0);
  return {
    waiting: sum(sizes, ({ counts }) => counts.waiting + counts.prioritized),
    active: sum(sizes, ({ counts }) => counts.active),
    delayed: sum(sizes, ({ counts }) => counts.delayed),
    oldestMs: Math.max(0, ...sizes.map(({ oldestMs }) => oldestMs)),
    added: sum(arrivals, ({ added }) => added),
    backlog: sum(arrivals, ({ backlog }) => backlog),
    sampledMs: Math.max(0, ...arrivals.map(({ at }) => at)),
  };
}

import { bucketIndexes, findBucket } from "./durations.ts";

/** What is counted per slot, summed over all processes. */
const activityCounters = ["completed", "dead", "expired", "retried", "refused"] as const;
export type ActivityCounter = (typeof activityCounters)[number];

export function isActivityCounter(name: string): name is ActivityCounter {
  return activityCounters.some((counter) => counter === name);
}

/**
 * Durations that are recorded. `start`: from the due time of a job until its first attempt. `run`: of a handler.
 * `settle`: from the due time of a job until an attempt settled the job. `commit`: of a batched write that accepts jobs.
 */
const activityDurations = ["start", "run", "settle", "commit"] as const;
export type ActivityDuration = (typeof activityDurations)[number];

/** Field of each bucket: building and hashing its text for each observation would take longer than the count. */
const durationFields = Object.fromEntries(
  activityDurations.map((duration) => [duration, bucketIndexes.map((at) => `${duration}:${at}`)]),
);

export type ActivityRecorder = ReturnType<typeof createActivityRecorder>;

/** Creates a recorder that collects the activity of a process in memory until it is flushed to Redis. */
export function createActivityRecorder() {
  let counts = new Map<string, number>();
  const add = (field: string, by: number) => counts.set(field, (counts.get(field) ?? 0) + by);
  return {
    count: (counter: ActivityCounter, by = 1) => void add(counter, by),
    observe: (duration: ActivityDuration, ms: number) =>
      void add(durationFields[duration]?.[findBucket(ms)] ?? "", 1),
    /** Returns what was recorded since the last call. */
    take(): ReadonlyMap<string, number> {
      const taken = counts;
      counts = new Map();
      return taken;
    },
  };
}

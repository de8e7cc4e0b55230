import type { Cluster, Redis } from "ioredis";
import {
  createActivityLog,
  startActivityFlush,
} from "@toril/contract/engine/activity/activity-log";
import type { ActivityRecorder } from "@toril/contract/engine/activity/activity-recorder";
import type { createQueues } from "../queues/queues.ts";
import { readRedisMemory } from "./read-memory.ts";
import { createReadOverview } from "./read-overview.ts";
import { startGaugeSampler } from "./sample-gauges.ts";

export interface OverviewDeps {
  redis: Redis | Cluster;
  prefix: string;
  recorder: ActivityRecorder;
  queues: Pick<ReturnType<typeof createQueues>, "readSizes" | "readArrivals" | "readAll">;
}

/** Records the activity of this process and of the queues, and reads what all processes recorded. */
export function createOverview({ redis, prefix, recorder, queues }: OverviewDeps) {
  const activity = createActivityLog(redis, prefix);
  const flushing = startActivityFlush(activity, recorder);
  const sampler = startGaugeSampler({ activity, ...queues });
  return {
    read: createReadOverview({
      activity,
      readQueues: queues.readAll,
      readMemory: () => readRedisMemory(redis),
    }),
    async close() {
      sampler.close();
      await flushing.close();
    },
  };
}

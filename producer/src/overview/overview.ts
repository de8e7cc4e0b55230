import type { Cluster, Redis } from "ioredis";
import {
  createActivityLog,
  startActivityFlush,
} from "@toril/contract/engine/activity/activity-log";
import type { ActivityRecorder } from "@toril/contract/engine/activity/activity-recorder";
import type { createQueues } from "../queues/queues.ts";
import type { Logger } from "pino";
import { createReadHistory } from "./history/read-history.ts";
import type { PrometheusSettings } from "./history/query-prometheus.ts";
import { createReadOverview } from "./read-overview.ts";
import { startGaugeSampler } from "./sample-gauges.ts";
import type { Overview } from "@toril/contract/api/overview";

export interface OverviewDeps {
  redis: Redis | Cluster;
  prefix: string;
  recorder: ActivityRecorder;
  queues: Pick<ReturnType<typeof createQueues>, "readSizes" | "readArrivals" | "readAll">;
  countPushEndpoints(): number;
  prometheus: PrometheusSettings | undefined;
  log: Logger;
}

/** Records the activity of this process and of the queues, and reads what all processes recorded. */
export function createOverview(deps: OverviewDeps) {
  const { redis, prefix, recorder, queues, prometheus, log } = deps;
  const activity = createActivityLog(redis, prefix);
  const flushing = startActivityFlush(activity, recorder);
  const sampler = startGaugeSampler({ activity, ...queues });
  return {
    read: createReadOverview({
      activity,
      readQueues: queues.readAll,
      readMemory: () => readRedisMemory(redis),
      countPushEndpoints: deps.countPushEndpoints,
      hasHistory: prometheus !== undefined,
    }),
    readHistory: createReadHistory(prometheus, log),
    async close() {
      sampler.close();
      await flushing.close();
    },
  };
}

type Memory = Overview["redis"];

/** Reads the memory of the fullest Redis node. Rejects with the client's errors. */
async function readRedisMemory(redis: Redis | Cluster): Promise<Memory> {
  const nodes = "nodes" in redis ? redis.nodes("master") : [redis];
  const all = await Promise.all(nodes.map(async (node) => parseMemory(await node.info("memory"))));
  const [fullest] = all.toSorted((a, b) => getShare(b) - getShare(a));
  return fullest ?? { usedBytes: 0, maxBytes: null };
}

function getShare({ usedBytes, maxBytes }: Memory): number {
  return usedBytes / (maxBytes ?? Number.MAX_SAFE_INTEGER);
}

function parseMemory(info: string): Memory {
  const read = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
  return { usedBytes: read("used_memory"), maxBytes: read("maxmemory") || null };
}

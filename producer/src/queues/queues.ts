import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import { createDrainWaiting, drainScriptUrl } from "@toril/contract/engine/queues/drain-queue";
import { createFailedJobs } from "@toril/contract/engine/redis/failed-jobs";
import type { ApplySettings } from "@toril/contract/engine/queues/queue-settings";
import { readQueueSizes } from "@toril/contract/engine/queues/queue-sizes";
import { createWatchQueue, watchScriptUrl } from "@toril/contract/engine/queues/watch-queue";
import type { TenantLedger } from "../stores/postgres.ts";
import { createCleanQueue } from "./clean-queue.ts";
import { createConnectedWorkers } from "./connected-workers.ts";
import { createDrainQueue, type DrainDeps } from "./drain-queue.ts";
import { createQueueControl } from "./queue-control.ts";
import { createQueueReader } from "./queue-reader.ts";
import { queueRoutes } from "./routes.ts";

export interface QueuesDeps extends Pick<DrainDeps, "readStates" | "remove"> {
  redis: Redis | Cluster;
  prefix: string;
  loadScript(url: URL): { prefix: string; script: string };
  queues(): readonly string[];
  ledger: TenantLedger;
  applySettings: ApplySettings;
  log: Logger;
}

/** Creates the operations on queues. */
export function createQueues(deps: QueuesDeps) {
  const { redis, prefix, loadScript, queues, ledger, applySettings, log } = deps;
  const readSizes = (names: readonly string[]) => readQueueSizes(redis, prefix, names, Date.now);
  const queueReader = createQueueReader({
    connected: createConnectedWorkers(redis, prefix),
    readSizes,
    watch: createWatchQueue(redis, loadScript(watchScriptUrl)),
    queues,
  });
  return {
    routes: queueRoutes({
      queueReader,
      queueControl: createQueueControl(ledger, applySettings, log),
      drainQueue: createDrainQueue({
        ledger,
        takeWaiting: createDrainWaiting(redis, loadScript(drainScriptUrl)),
        readStates: deps.readStates,
        remove: deps.remove,
      }),
      cleanQueue: createCleanQueue(ledger, createFailedJobs(redis, prefix)),
    }),
    readSizes: () => readSizes(queues()),
    getDequeueRate: queueReader.getDequeueRate,
    readArrivals: queueReader.readArrivals,
    /** Reads all queues of the service; throws a problem if Redis is unavailable. */
    readAll: () => queueReader.read(queues()),
    close: () => queueReader.close(),
  };
}

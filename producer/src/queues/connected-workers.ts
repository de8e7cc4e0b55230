import type { Cluster, Redis } from "ioredis";
import type { QueueWorker } from "@toril/contract/api/queue";
import { bullName } from "@toril/contract/engine/redis/names";

/** Counts connected BullMQ workers that send no heartbeat. */
export interface ConnectedWorkers {
  /** Returns null if Redis does not permit CLIENT LIST. Throws nothing. */
  countStock(queue: string, workers: readonly QueueWorker[]): Promise<number | null>;
}

/** Names of workers by the BullMQ name of their queue, in base64; an unnamed worker has the name "". */
type Names = ReadonlyMap<string, readonly string[]>;

/** Redis needs about 1 ms for 1,000 clients. */
const cacheMs = 5000;

/** BullMQ names the blocking connection of a worker after its queue; Toril's consumers add their host and process. */
export function createConnectedWorkers(redis: Redis | Cluster, prefix: string): ConnectedWorkers {
  let reading: Promise<Names[]> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;

  function readNames() {
    if (reading === undefined || performance.now() - readAt > cacheMs) {
      readAt = performance.now();
      const nodes = "nodes" in redis ? redis.nodes("master") : [redis];
      reading = Promise.all(
        nodes.map(async (node) => parseNames(String(await node.client("LIST")), prefix)),
      );
      // The caller gets the error; without a handler it would also end the process.
      reading.catch(() => {});
    }
    return reading;
  }

  return {
    async countStock(queue, workers) {
      const id = Buffer.from(bullName(queue)).toString("base64");
      const own = new Set(workers.map(({ host, pid }) => `${host}:${pid}`));
      try {
        const counts = (await readNames()).map(
          (names) => names.get(id)?.filter((name) => !own.has(name)).length ?? 0,
        );
        // In a Cluster, one node has the queue, and a worker may be connected to others, too.
        return Math.max(0, ...counts);
      } catch {
        return null;
      }
    },
  };
}

function parseNames(list: string, prefix: string): Names {
  const names = new Map<string, string[]>();
  for (const [, name = ""] of list.matchAll(/ name=(\S+)/g)) {
    if (!name.startsWith(`${prefix}:`)) continue;
    const [, id, worker = ""] =
      /^([\w+/=]+)(?::w:(.*))?$/.exec(name.slice(prefix.length + 1)) ?? [];
    if (id === undefined) continue;
    names.set(id, [...(names.get(id) ?? []), worker]);
  }
  return names;
}

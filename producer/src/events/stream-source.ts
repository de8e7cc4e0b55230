import { setTimeout as sleep } from "node:timers/promises";
import { readStreams } from "@toril/contract/engine/redis/event-stream";
import type { RedisServers } from "@toril/contract/engine/config/redis-config";
import type { Cluster, Redis } from "ioredis";
import { blockMs, openBlockingRedis } from "../stores/redis.ts";
import type { StreamSource } from "./stream-reader.ts";

const pollMs = 200;

/**
 * Opens a blocking connection for all queues. On a Cluster, where none is possible, the shared connection is polled.
 */
export function createStreamSources(
  servers: RedisServers,
  shared: Redis | Cluster,
  prefix: string,
): () => StreamSource {
  return () => {
    const dedicated = openBlockingRedis(servers);
    if (dedicated !== undefined) {
      return {
        read: (positions, count) => readStreams(dedicated, prefix, positions, { count, blockMs }),
        close: () => dedicated.disconnect(),
      };
    }
    const closing = new AbortController();
    return {
      async read(positions, count) {
        const reads = Object.entries(positions).map(([queue, position]) =>
          readStreams(shared, prefix, { [queue]: position }, { count }),
        );
        const entries = (await Promise.all(reads)).flat();
        if (entries.length === 0) await sleep(pollMs, undefined, closing);
        return entries;
      },
      close: () => closing.abort(),
    };
  };
}

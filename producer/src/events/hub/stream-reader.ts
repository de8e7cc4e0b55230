import { setTimeout as sleep } from "node:timers/promises";
import type { RedisServers } from "@toril/contract/engine/config/redis-config";
import {
  hasGap,
  origin,
  type Positions,
  readStreams,
  type StreamEdges,
  type StreamEntry,
} from "@toril/contract/engine/redis/event-stream";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import { blockMs, openBlockingRedis } from "../../stores/redis.ts";

/** One connection that reads the BullMQ event streams of all queues. */
export interface StreamSource {
  /** Waits a short time for new entries. */
  read(positions: Positions, count: number): Promise<StreamEntry[]>;
  close(): void;
}

export interface StreamReaderDeps {
  /** Queues that are added later are read, too. */
  queues(): readonly string[];
  open(): StreamSource;
  readEdges(queue: string): Promise<StreamEdges>;
  /** Called with the entries in order; the next read waits until it resolves. */
  handle(entries: readonly StreamEntry[]): Promise<void>;
  /** Called when entries of this queue may have been lost. */
  onGap(queue: string, position: string): void;
  log: Logger;
}

export interface StreamReader {
  /** The initial positions. Rejects if the reader is closed before it has started. */
  readonly started: Promise<Positions>;
  /**
   * Reads these queues from now on.
   * @returns the positions after which those queues are read that were not read before
   */
  include(queues: readonly string[]): Promise<Positions>;
  close(): Promise<void>;
}

/** Per queue and read: entries that arrive between two reads of a client must fit its unread limit. */
const maxEntries = 200;
const retryMs = 250;
/** Poll interval on a Cluster. */
const pollMs = 200;

/** Reads until it is closed, and retries while Redis is unavailable. */
export function openStreamReader(deps: StreamReaderDeps): StreamReader {
  const { queues, open, readEdges, handle, onGap, log } = deps;
  const closing = new AbortController();
  const started = Promise.withResolvers<Positions>();
  // Nobody may be waiting when the reader is closed before it has started.
  started.promise.catch(() => {});
  const source = open();
  const positions: Record<string, string> = {};
  let isUnavailable = false;

  async function readInitialPositions() {
    await include(queues());
    started.resolve({ ...positions });
  }

  async function include(added: readonly string[]): Promise<Positions> {
    const initial: Record<string, string> = {};
    for (const queue of added) {
      if (positions[queue] !== undefined) continue;
      const { last } = await readEdges(queue);
      initial[queue] = positions[queue] ??= last;
    }
    return initial;
  }

  async function readNext() {
    await include(queues());
    const entries = await source.read(positions, maxEntries);
    await handle(entries);
    const counts = new Map<string, number>();
    for (const { queue, position } of entries) {
      positions[queue] = position;
      counts.set(queue, (counts.get(queue) ?? 0) + 1);
    }
    // A reader that lags behind may miss entries that Redis trims.
    const full = Object.keys(positions).filter((queue) => (counts.get(queue) ?? 0) >= maxEntries);
    await checkGaps(full);
  }

  async function checkGaps(queuesToCheck: readonly string[]) {
    for (const queue of queuesToCheck) {
      const edges = await readEdges(queue);
      const position = positions[queue] ?? origin;
      if (!hasGap(edges, position)) continue;
      // Only a recreated stream ends before the position that was read.
      if (edges.first === undefined || hasGap({ ...edges, first: undefined }, position)) {
        positions[queue] = origin;
      }
      onGap(queue, positions[queue] ?? origin);
    }
  }

  async function run() {
    let hasPositions = false;
    while (!closing.signal.aborted) {
      try {
        if (!hasPositions) await readInitialPositions();
        else if (isUnavailable) await checkGaps(Object.keys(positions));
        hasPositions = true;
        isUnavailable = false;
        while (!closing.signal.aborted) await readNext();
      } catch (error) {
        if (closing.signal.aborted) return;
        if (!isUnavailable) log.warn({ err: error }, "failed to read the event streams; retrying");
        isUnavailable = true;
        // Rejects when the reader is closed, which ends the loop.
        await sleep(retryMs, undefined, { signal: closing.signal }).catch(() => {});
      }
    }
  }

  const running = run();
  return {
    started: started.promise,
    include,
    async close() {
      closing.abort();
      started.reject(new Error("closed"));
      source.close();
      await running;
    },
  };
}

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

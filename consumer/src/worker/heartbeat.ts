import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { SendHeartbeat } from "@toril/contract/engine/queues/worker-heartbeat";

export interface Heartbeat {
  /** Removes this process from the consumers of its queues. */
  close(): Promise<void>;
}

export interface HeartbeatDeps {
  send: SendHeartbeat;
  queues: readonly string[];
  /** Maximum number of concurrent handlers of a queue in this process. */
  getConcurrency(queue: string): number;
  /** Number of jobs of a queue that are handled or settled by this process. */
  countActive(queue: string): number;
  everyMs?: number;
}

/** Announces periodically that this process consumes its queues. */
export function startHeartbeat(deps: HeartbeatDeps): Heartbeat {
  const { send, queues, getConcurrency, countActive, everyMs = 5000 } = deps;
  const id = randomUUID();
  const startedAt = new Date().toISOString();
  const host = hostname();

  function beat() {
    for (const queue of queues) {
      const concurrency = getConcurrency(queue);
      const state = { host, pid: process.pid, concurrency, active: countActive(queue), startedAt };
      // Heartbeats are not needed while Redis is unavailable.
      send(queue, id, state).catch(() => {});
    }
  }

  const timer = setInterval(beat, everyMs);
  beat();
  return {
    async close() {
      clearInterval(timer);
      await Promise.allSettled(queues.map((queue) => send(queue, id, undefined)));
    },
  };
}

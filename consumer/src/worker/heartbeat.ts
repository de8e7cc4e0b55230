import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { SendBeat } from "@toril/contract/engine/redis/worker-beat";

export interface Heartbeat {
  /** Says that this process serves the queues no longer. */
  close(): Promise<void>;
}

export interface HeartbeatDeps {
  send: SendBeat;
  queues: readonly string[];
  concurrency: number;
  /** How many jobs of a queue run here. */
  activeIn(queue: string): number;
  everyMs?: number;
}

/** Says, again and again, that this process serves its queues, for whoever asks who does. */
export function startHeartbeat(deps: HeartbeatDeps): Heartbeat {
  const { send, queues, concurrency, activeIn, everyMs = 5000 } = deps;
  const id = randomUUID();
  const startedAt = new Date().toISOString();
  const host = hostname();

  function beat() {
    for (const queue of queues) {
      const said = { host, pid: process.pid, concurrency, active: activeIn(queue), startedAt };
      // With Redis away nobody is told, and nobody can ask.
      send(queue, id, said).catch(() => {});
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

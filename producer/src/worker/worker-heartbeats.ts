import type { SendHeartbeat } from "@toril/contract/engine/queues/worker-heartbeat";

/** Announces the workers that call this producer as workers of their queues. */
export interface WorkerHeartbeats {
  /** Records a call of a worker. @param change of the number of jobs that the worker holds */
  note(call: WorkerCall, change: number): void;
  close(): void;
}

export interface WorkerCall {
  queue: string;
  worker: string;
  /** Maximum number of jobs per call; undefined if the call takes none. */
  max?: number;
  /** Until then the worker may be silent, ms since 1970. */
  leaseUntil?: number;
}

interface KnownWorker {
  queue: string;
  name: string;
  max: number;
  active: number;
  startedAt: string;
  silentUntil: number;
  isSent: boolean;
}

const everyMs = 5000;
/** A worker without a lease that does not call for this long has left. */
const maxSilenceMs = 15_000;
const maxWorkers = 10_000;

export function createWorkerHeartbeats(send: SendHeartbeat): WorkerHeartbeats {
  const workers = new Map<string, KnownWorker>();
  let timer: ReturnType<typeof setInterval> | undefined;

  function beat() {
    const now = Date.now();
    for (const [key, worker] of workers) {
      if (worker.silentUntil > now) sendBeat(worker);
      else workers.delete(key);
    }
    if (workers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  function sendBeat({ queue, name, max, active, startedAt }: KnownWorker) {
    const state = {
      kind: "pull" as const,
      host: name,
      pid: 0,
      concurrency: max,
      active,
      startedAt,
    };
    // Heartbeats are not needed while Redis is unavailable.
    send(queue, name, state).catch(() => {});
  }

  return {
    note({ queue, worker: name, max, leaseUntil = 0 }, change) {
      const key = JSON.stringify([queue, name]);
      const now = Date.now();
      let worker = workers.get(key);
      if (worker === undefined) {
        if (workers.size >= maxWorkers) return;
        const startedAt = new Date(now).toISOString();
        const isSent = false;
        worker = { queue, name, max: max ?? 1, active: 0, startedAt, silentUntil: 0, isSent };
        workers.set(key, worker);
      }
      worker.max = max ?? worker.max;
      worker.active = Math.max(0, worker.active + change);
      worker.silentUntil = Math.max(worker.silentUntil, now + maxSilenceMs, leaseUntil);
      if (!worker.isSent) sendBeat(worker);
      worker.isSent = true;
      timer ??= setInterval(beat, everyMs);
    },
    close() {
      clearInterval(timer);
    },
  };
}

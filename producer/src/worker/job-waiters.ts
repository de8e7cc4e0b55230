import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { queueKeys } from "@toril/contract/engine/redis/names";
import type { Cluster, Redis } from "ioredis";

export interface JobWaitersDeps {
  redis: Pick<Redis | Cluster, "zadd" | "pexpire">;
  /** Opens the connection for blocking reads; undefined on a Cluster, where the queues are polled. */
  openBlocking(): Redis | undefined;
  prefix: string;
}

/** Requests that wait for jobs. One blocking connection waits for the queues of all of them. */
export interface JobWaiters {
  /** Resolves when a queue may have jobs, the time is up or the signal is aborted. */
  wait(queues: readonly string[], ms: number, signal: AbortSignal): Promise<void>;
  /** Wakes a request that waits for the queue. */
  notify(queue: string): void;
  /** Wakes a request when a job of the queue becomes due. */
  notifyAt(queue: string, at: number): void;
  readonly count: number;
  /** Whether waits end at once, because the process stops. */
  readonly isClosed: boolean;
  close(): void;
}

/** Interval at which one request per queue looks for jobs, in case a wake-up was lost. */
const idlePollMs = 1000;
const clusterPollMs = 200;
const errorPauseMs = 1000;
const maxTimerMs = 60_000;

type Wake = () => void;

export function createJobWaiters({ redis, openBlocking, prefix }: JobWaitersDeps): JobWaiters {
  /** In the order of arrival. */
  const waiting = new Map<string, Set<Wake>>();
  const timers = new Map<string, { at: number; timer: ReturnType<typeof setTimeout> }>();
  const queuesByMarker = new Map<string, string>();
  const wakeKey = `${prefix}:toril:wake:${randomUUID()}`;
  let blocking: Redis | undefined;
  let isReading = false;
  let isClosed = false;
  let count = 0;
  /** Rotates the queues: Redis returns the first marker, and a busy queue always has one. */
  let rotation = 0;

  function notify(queue: string) {
    const [first] = waiting.get(queue) ?? [];
    first?.();
  }

  function notifyAt(queue: string, at: number) {
    const known = timers.get(queue);
    if (known !== undefined && known.at <= at) return;
    clearTimeout(known?.timer);
    const ms = Math.min(Math.max(at - Date.now(), 0), maxTimerMs);
    const timer = setTimeout(() => {
      timers.delete(queue);
      notify(queue);
    }, ms);
    timers.set(queue, { at, timer });
  }

  async function readUntilIdle() {
    if (isReading) return;
    isReading = true;
    const isNeeded = () => waiting.size > 0 && !isClosed;
    while (isNeeded()) {
      try {
        blocking ??= openBlocking();
        if (blocking === undefined) await sleep(clusterPollMs);
        const isNews = blocking !== undefined && (await readMarker(blocking));
        if (!isNews) for (const queue of waiting.keys()) notify(queue);
      } catch {
        if (isClosed) return;
        // The woken requests report that Redis is unavailable.
        for (const queue of waiting.keys()) notify(queue);
        await sleep(errorPauseMs);
      }
    }
    isReading = false;
  }

  /** Returns whether a queue has a marker, or another queue must be read too. */
  async function readMarker(connection: Redis): Promise<boolean> {
    const markers = [...waiting.keys()].map((queue) => {
      const { marker } = queueKeys(prefix, queue);
      queuesByMarker.set(marker, queue);
      return marker;
    });
    const start = (rotation += 1) % Math.max(markers.length, 1);
    const inTurn = [...markers.slice(start), ...markers.slice(0, start)];
    // First, so that a new queue is read although others are busy.
    const reply = await connection.bzpopmin(wakeKey, ...inTurn, idlePollMs / 1000);
    if (reply === null) return false;
    const [key, member, score] = reply;
    const queue = queuesByMarker.get(key);
    if (queue === undefined) return true;
    const dueAt = Number(score);
    if (!waiting.has(queue)) await redis.zadd(key, dueAt, member);
    else if (dueAt > Date.now()) notifyAt(queue, dueAt);
    else notify(queue);
    return true;
  }

  /** Ends the blocking read, which does not read a new queue yet. */
  function interruptRead() {
    if (blocking === undefined) return;
    // If Redis is unavailable, the blocking read ends as well.
    redis.zadd(wakeKey, 0, "0").catch(() => {});
    redis.pexpire(wakeKey, 60_000).catch(() => {});
  }

  function add(queue: string, wake: Wake): boolean {
    const wakes = waiting.get(queue);
    if (wakes !== undefined) wakes.add(wake);
    else waiting.set(queue, new Set([wake]));
    return wakes === undefined;
  }

  return {
    notify,
    notifyAt,
    async wait(queues, ms, signal) {
      if (isClosed || signal.aborted || queues.length === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      const timer = setTimeout(wake, ms);
      signal.addEventListener("abort", wake);
      count += 1;
      const isNew = queues.map((queue) => add(queue, wake)).some(Boolean);
      if (!isReading) void readUntilIdle();
      else if (isNew) interruptRead();
      await promise;
      count -= 1;
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      for (const queue of queues) {
        const wakes = waiting.get(queue);
        if (wakes?.delete(wake) && wakes.size === 0) waiting.delete(queue);
      }
    },
    get count() {
      return count;
    },
    get isClosed() {
      return isClosed;
    },
    close() {
      isClosed = true;
      for (const wakes of waiting.values()) for (const wake of wakes) wake();
      for (const { timer } of timers.values()) clearTimeout(timer);
      blocking?.disconnect();
    },
  };
}

import type { Overview, OverviewSlot } from "@toril/contract/api/overview";
import {
  type ActivityLog,
  type ActivitySlot,
  activitySlotMs,
} from "@toril/contract/engine/activity/activity-log";
import type {
  ActivityCounter,
  ActivityDuration,
} from "@toril/contract/engine/activity/activity-recorder";
import { estimateQuantiles } from "@toril/contract/engine/activity/durations";
import type { Queue } from "@toril/contract/api/queue";
import type { Gauges } from "./sample-gauges.ts";

export type ReadOverview = () => Promise<Overview>;

export interface ReadOverviewDeps {
  activity: Pick<ActivityLog, "read">;
  readQueues(): Promise<Queue[]>;
  readMemory(): Promise<Overview["redis"]>;
  countPushEndpoints(): number;
  hasHistory: boolean;
}

/** Limits reads from Redis, however many people watch the overview. */
const cacheMs = 1000;
const recentMs = 5 * 60_000;

/** Creates the reader of the overview. Rejects while Redis is unavailable. */
export function createReadOverview({
  activity,
  readQueues,
  readMemory,
  countPushEndpoints,
  hasHistory,
}: ReadOverviewDeps): ReadOverview {
  let reading: Promise<Overview> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;

  async function read(): Promise<Overview> {
    const [{ now, slots }, queues, redis] = await Promise.all([
      activity.read(),
      readQueues(),
      readMemory(),
    ]);
    const recent = slots.filter(({ at }) => at > now - recentMs);
    return {
      at: new Date(now).toISOString(),
      slotMs: activitySlotMs,
      slots: slots.map((slot, index) => toSlot(slot, slots[index - 1])),
      recent: toDurations(recent),
      queues: queues.map(toQueue),
      workers: { ...countWorkers(queues), pushEndpoints: countPushEndpoints() },
      redis,
      hasHistory,
    };
  }

  return () => {
    if (reading === undefined || performance.now() - readAt > cacheMs) {
      readAt = performance.now();
      reading = read();
    }
    return reading;
  };
}

function toQueue({ name, paused, counts, oldestWaitingMs, workers, stockWorkers }: Queue) {
  return {
    name,
    paused,
    waiting: counts.waiting + counts.prioritized,
    active: counts.active,
    delayed: counts.delayed,
    oldestWaitingMs,
    workers: workers.length,
    stockWorkers,
    capacity: workers.reduce((sum, { concurrency }) => sum + concurrency, 0),
  };
}

/** A process that serves several queues counts once. */
function countWorkers(queues: readonly Queue[]): Omit<Overview["workers"], "pushEndpoints"> {
  const consumers = new Set<string>();
  const pull = new Set<string>();
  for (const { kind, host, pid } of queues.flatMap(({ workers }) => workers)) {
    if (kind === "pull") pull.add(host);
    else consumers.add(`${host} ${pid}`);
  }
  const stock = queues.map(({ stockWorkers }) => stockWorkers).filter((count) => count !== null);
  return {
    consumers: consumers.size,
    pull: pull.size,
    stock: stock.length < queues.length ? null : stock.reduce((sum, count) => sum + count, 0),
  };
}

function toSlot(slot: ActivitySlot, previous: ActivitySlot | undefined): OverviewSlot {
  const gauge = (name: keyof Gauges) => slot.fields.get(name) ?? null;
  const count = (name: ActivityCounter) => slot.fields.get(name) ?? 0;
  return {
    at: new Date(slot.at).toISOString(),
    ...toRates(slot, previous),
    waiting: gauge("waiting"),
    active: gauge("active"),
    delayed: gauge("delayed"),
    oldestWaitingMs: gauge("oldestMs"),
    completed: count("completed"),
    retried: count("retried"),
    dead: count("dead"),
    expired: count("expired"),
    refused: count("refused"),
    ...toDurations([slot]),
  };
}

/** The rate follows from arrivals and backlog, not from counted attempts, so that it includes jobs of stock workers. */
function toRates(slot: ActivitySlot, previous: ActivitySlot | undefined) {
  const unknown = { in: null, out: null };
  const { added, backlog, sampledMs } = getGauges(slot);
  const before = previous && getGauges(previous);
  if (added === undefined || backlog === undefined || sampledMs === undefined) return unknown;
  if (before?.added === undefined || before.backlog === undefined) return unknown;
  const seconds = (sampledMs - (before.sampledMs ?? 0)) / 1000;
  const arrived = added - before.added;
  // After a FLUSHALL, the counters begin again.
  if (seconds <= 0 || arrived < 0) return unknown;
  const left = Math.max(0, arrived - (backlog - before.backlog));
  return { in: perSecond(arrived, seconds), out: perSecond(left, seconds) };
}

function getGauges({ fields }: ActivitySlot): { [Name in keyof Gauges]: number | undefined } {
  const get = (name: keyof Gauges) => fields.get(name);
  return {
    waiting: get("waiting"),
    active: get("active"),
    delayed: get("delayed"),
    oldestMs: get("oldestMs"),
    added: get("added"),
    backlog: get("backlog"),
    sampledMs: get("sampledMs"),
  };
}

function perSecond(count: number, seconds: number) {
  return Math.round((count / seconds) * 100) / 100;
}

function toDurations(slots: readonly ActivitySlot[]) {
  const estimate = (duration: ActivityDuration) => quantiles(slots, duration) ?? null;
  return {
    startMs: estimate("start"),
    runMs: estimate("run"),
    settleMs: estimate("settle"),
    commitMs: estimate("commit"),
  };
}

function quantiles(slots: readonly ActivitySlot[], duration: ActivityDuration) {
  const counts = new Map<number, number>();
  for (const { fields } of slots) {
    for (const [name, count] of fields) {
      const [kind, bucket] = name.split(":");
      if (kind !== duration || bucket === undefined) continue;
      counts.set(Number(bucket), (counts.get(Number(bucket)) ?? 0) + count);
    }
  }
  return estimateQuantiles(counts);
}

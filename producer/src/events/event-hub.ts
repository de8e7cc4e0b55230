import { setImmediate as nextTurn } from "node:timers/promises";
import type { Positions, StreamEntry } from "@toril/contract/engine/redis/event-stream";
import { parseBullId } from "@toril/contract/engine/redis/names";
import type { JobEvent } from "@toril/contract/api/event";
import { encodeCursor, isAfter } from "./cursor.ts";
import { createDescribe, type DescribeDeps, endOf, type Happening } from "./describe.ts";
import { toFrame } from "./frame.ts";
import { createJobWatcher } from "./job-watcher.ts";
import { openStreamReader, type StreamReader, type StreamReaderDeps } from "./stream-reader.ts";

/** A subscriber to the events of one job, or of queues. */
export interface Listener {
  queues: readonly string[];
  jobId?: string;
  /** Events up to these positions are not delivered again. */
  after?: Positions | undefined;
  isMeant?(happening: Happening): boolean;
  /** @param id cursor for `Last-Event-ID`; undefined for an event that was read from Postgres */
  receive(event: JobEvent, id: string | undefined, frame: Uint8Array): void;
  onGap?(queue: string): void;
  /** Called when no more events will follow. */
  end(): void;
}

export interface EventHubDeps
  extends
    Omit<DescribeDeps, "onUnsettled">,
    Pick<StreamReaderDeps, "queues" | "open" | "readEdges" | "log"> {
  /** Poll interval for the jobs that have listeners. */
  lookEveryMs?: number;
  /** How long the reader stays open after the last listener left. */
  lingerMs?: number;
}

/**
 * Distributes the events of one stream reader to all listeners. Single jobs are also polled in Postgres, so that their
 * end does not depend on Redis.
 */
export type EventHub = ReturnType<typeof createEventHub>;

const patienceMs = 2000;
/** A job that is still pending this long after it left Redis was not settled: stop watching it. */
const unsettledMs = 30_000;
const maxUnsettled = 10_000;
const maxIds = 1000;
/** Deliveries before the hub yields to the event loop. */
const maxToldAtOnce = 1000;

export function createEventHub(deps: EventHubDeps) {
  const { readOutcomes, lookEveryMs = 1000, lingerMs = 30_000 } = deps;
  const byJob = new Map<string, Set<Listener>>();
  const wide = new Set<Listener>();
  const unsettled = new Map<string, number>();
  const describe = createDescribe({ ...deps, onUnsettled: noteUnsettled });
  let reader: StreamReader | undefined;
  let positions: Record<string, string> | undefined;
  let handling: Promise<unknown> | undefined;
  let lingering: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;
  const looking = createJobWatcher(look, {
    everyMs: lookEveryMs,
    isNeeded: () => byJob.size > 0 || unsettled.size > 0,
    log: deps.log,
  });

  function noteUnsettled(id: string) {
    if (wide.size === 0 || unsettled.size >= maxUnsettled) return;
    unsettled.set(id, performance.now() + unsettledMs);
    looking.soon();
  }

  function startReader(): StreamReader {
    clearTimeout(lingering);
    if (reader !== undefined) return reader;
    const opened = openStreamReader({ ...deps, handle, onGap });
    reader = opened;
    opened.started.then(
      (from) => {
        if (reader === opened) positions = { ...from };
      },
      () => {},
    );
    return opened;
  }

  function stopReader() {
    const stopped = reader;
    reader = undefined;
    positions = undefined;
    return stopped?.close();
  }

  async function handle(entries: readonly StreamEntry[]) {
    const wanted = entries.filter(isWanted);
    const delivering = describeAndDeliver(entries, wanted);
    // `join` awaits this promise; the reader reports the error.
    handling = delivering.catch(() => {});
    try {
      await delivering;
    } finally {
      handling = undefined;
    }
  }

  async function describeAndDeliver(
    entries: readonly StreamEntry[],
    wanted: readonly StreamEntry[],
  ) {
    await deliver(entries, wanted, wanted.length === 0 ? [] : await describe(wanted));
  }

  function isWanted({ queue, bullId }: StreamEntry): boolean {
    for (const { queues } of wide) if (queues.includes(queue)) return true;
    const id = byJob.size === 0 ? undefined : parseBullId(bullId)?.id;
    return id !== undefined && byJob.has(id);
  }

  async function deliver(
    entries: readonly StreamEntry[],
    wanted: readonly StreamEntry[],
    happenings: readonly (Happening | undefined)[],
  ) {
    let at = 0;
    let told = 0;
    for (const entry of entries) {
      if (positions !== undefined) positions[entry.queue] = entry.position;
      if (entry !== wanted[at]) continue;
      const happening = happenings[at];
      at += 1;
      if (happening === undefined) continue;
      const listeners = [...(byJob.get(happening.event.id) ?? []), ...wide];
      tell(listeners, happening, entry);
      told += listeners.length;
      if (told < maxToldAtOnce) continue;
      told = 0;
      await nextTurn();
    }
  }

  function tell(listeners: Iterable<Listener>, happening: Happening, entry?: StreamEntry) {
    const { event } = happening;
    const frames = new Map<string | undefined, Uint8Array>();
    for (const listener of listeners) {
      if (!listener.queues.includes(event.queue)) continue;
      if (entry && !isAfter(entry.position, listener.after?.[entry.queue] ?? "0-0")) continue;
      if (listener.isMeant?.(happening) === false) continue;
      const id = entry && cursorOf(listener);
      const frame = frames.get(id) ?? toFrame(event.event, event, id);
      frames.set(id, frame);
      listener.receive(event, id, frame);
    }
  }

  function onGap(queue: string, position: string) {
    if (positions !== undefined) positions[queue] = position;
    for (const listener of wide) if (listener.queues.includes(queue)) listener.onGap?.(queue);
  }

  function cursorOf({ queues, after }: Listener): string | undefined {
    const at = positions;
    if (at === undefined) return undefined;
    const seen = queues.map((queue): [string, string] => {
      const [read = "0-0", ahead] = [at[queue], after?.[queue]];
      return [queue, ahead !== undefined && isAfter(ahead, read) ? ahead : read];
    });
    return encodeCursor(Object.fromEntries(seen));
  }

  async function look() {
    const ids = [...new Set([...byJob.keys(), ...unsettled.keys()])];
    for (let from = 0; from < ids.length; from += maxIds) {
      const found = await readOutcomes(ids.slice(from, from + maxIds));
      for (const outcome of found) {
        if (outcome.status === "pending") continue;
        const at = new Date().toISOString();
        const happening = { tenant: outcome.tenant, event: endOf(outcome, at) };
        tell([...(byJob.get(outcome.id) ?? [])], happening);
        if (unsettled.delete(outcome.id)) tell([...wide], happening);
      }
    }
    const now = performance.now();
    for (const [id, until] of unsettled) if (until < now) unsettled.delete(id);
  }

  function add(listener: Listener) {
    startReader();
    if (listener.jobId === undefined) wide.add(listener);
    else {
      const listeners = byJob.get(listener.jobId) ?? new Set();
      byJob.set(listener.jobId, listeners.add(listener));
      // The job may have ended before the listener was added.
      looking.soon();
    }
  }

  return {
    add,
    /**
     * Adds a listener.
     * @returns the positions after which events are delivered. Undefined if Redis is unavailable; the end of a single
     * job is delivered even then
     */
    async join(listener: Listener): Promise<Positions | undefined> {
      const late = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => late.resolve(undefined), patienceMs);
      await Promise.race([startReader().started.catch(() => {}), late.promise]);
      clearTimeout(timer);
      // Entries in progress may have been filtered without this listener.
      const isHandling = () => handling !== undefined;
      while (isHandling()) await handling;
      if (isClosed) return undefined;
      add(listener);
      return positions && { ...positions };
    },
    leave(listener: Listener) {
      wide.delete(listener);
      const listeners = byJob.get(listener.jobId ?? "");
      if (listeners?.delete(listener) && listeners.size === 0) byJob.delete(listener.jobId ?? "");
      if (isClosed || wide.size > 0 || byJob.size > 0) return;
      clearTimeout(lingering);
      lingering = setTimeout(() => void stopReader(), lingerMs);
    },
    cursorOf,
    describe,
    get isClosed() {
      return isClosed;
    },
    /** Ends all listeners; no event is delivered afterwards. */
    async close() {
      isClosed = true;
      clearTimeout(lingering);
      looking.close();
      const left = [...wide, ...[...byJob.values()].flatMap((listeners) => [...listeners])];
      for (const listener of left) listener.end();
      await stopReader();
    },
  };
}

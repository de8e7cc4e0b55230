import {
  isSettled,
  type Positions,
  type StreamEntry,
} from "@toril/contract/engine/redis/event-stream";
import { parseBullId } from "@toril/contract/engine/redis/names";
import { nextTurn } from "../http/turn.ts";
import { encodeCursor, isAfter, toFrame } from "./frame.ts";
import {
  createEventMapper,
  type EventMapperDeps,
  isFinal,
  toFinalEvent,
  type TenantEvent,
} from "./event-mapper.ts";
import { createPoller } from "./poller.ts";
import { openStreamReader, type StreamReader, type StreamReaderDeps } from "./stream-reader.ts";
import { createSubscriptions, type Subscription } from "./subscriptions.ts";

export interface EventHubDeps
  extends
    Omit<EventMapperDeps, "onUnsettled">,
    Pick<StreamReaderDeps, "queues" | "open" | "readEdges" | "log"> {
  /** Poll interval for jobs with subscriptions. */
  pollEveryMs?: number;
  /** How long the reader stays open after the last subscription ended. */
  lingerMs?: number;
}

/**
 * Distributes the events of one stream reader to all subscriptions. Single jobs are also polled in Postgres, so that
 * their final event does not depend on Redis.
 */
export type EventHub = ReturnType<typeof createEventHub>;

/** How long a new subscription waits for the stream positions. */
const maxStartMs = 2000;
/** A job that is still pending this long after it left Redis was not settled: stop watching it. */
const maxUnsettledMs = 30_000;
const maxUnsettled = 10_000;
const maxIdsPerRead = 1000;
/** Deliveries before the hub yields to the event loop. */
const maxDeliveriesPerTurn = 1000;

export function createEventHub(deps: EventHubDeps) {
  const { readOutcomes, pollEveryMs = 1000, lingerMs = 30_000 } = deps;
  const subscriptions = createSubscriptions();
  const unsettled = new Map<string, number>();
  const mapToEvents = createEventMapper({ ...deps, onUnsettled: watchUnsettled });
  let reader: StreamReader | undefined;
  let positions: Record<string, string> | undefined;
  let handling: Promise<unknown> | undefined;
  let stopTimer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;
  const poller = createPoller(poll, {
    everyMs: pollEveryMs,
    isNeeded: () => subscriptions.hasJobs || unsettled.size > 0,
    log: deps.log,
  });

  function watchUnsettled(id: string) {
    if (subscriptions.ofQueues.size === 0 || unsettled.size >= maxUnsettled) return;
    unsettled.set(id, performance.now() + maxUnsettledMs);
    poller.pollSoon();
  }

  function startReader(): StreamReader {
    clearTimeout(stopTimer);
    if (reader !== undefined) return reader;
    const opened = openStreamReader({ ...deps, handle, onGap });
    reader = opened;
    opened.started.then(
      (from) => {
        if (reader !== opened) return;
        positions = { ...from };
        // A job may have ended while the reader was opening.
        if (subscriptions.hasJobs) poller.pollSoon();
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
    endWaits(entries);
    const delivering = deliver(entries, entries.filter(isWanted));
    // `subscribeWithPositions` awaits this promise; the reader reports the error.
    handling = delivering.catch(() => {});
    try {
      await delivering;
    } finally {
      handling = undefined;
    }
  }

  function isWanted(entry: StreamEntry): boolean {
    for (const { queues } of subscriptions.ofQueues) if (queues.includes(entry.queue)) return true;
    return getJobSubscriptions(entry).some(
      ({ awaitedBullId }) =>
        awaitedBullId === undefined ||
        (isFinal(entry) && !(isSettled(entry) && awaitedBullId === entry.bullId)),
    );
  }

  function getJobSubscriptions({ bullId }: StreamEntry): Subscription[] {
    const id = subscriptions.hasJobs ? parseBullId(bullId)?.id : undefined;
    return id === undefined ? [] : subscriptions.getOfJob(id);
  }

  function endWaits(entries: readonly StreamEntry[]) {
    for (const entry of entries) {
      if (!isSettled(entry)) continue;
      for (const subscription of getJobSubscriptions(entry))
        if (subscription.awaitedBullId === entry.bullId) subscription.end();
    }
  }

  async function deliver(entries: readonly StreamEntry[], wanted: readonly StreamEntry[]) {
    const events = wanted.length === 0 ? [] : await mapToEvents(wanted);
    let index = 0;
    let deliveries = 0;
    for (const entry of entries) {
      if (positions !== undefined) positions[entry.queue] = entry.position;
      if (entry !== wanted[index]) continue;
      const tenantEvent = events[index];
      index += 1;
      if (tenantEvent === undefined) continue;
      const receivers = [
        ...subscriptions.getOfJob(tenantEvent.event.id),
        ...subscriptions.ofQueues,
      ];
      deliverTo(receivers, tenantEvent, entry);
      deliveries += receivers.length;
      if (deliveries < maxDeliveriesPerTurn) continue;
      deliveries = 0;
      await nextTurn();
    }
  }

  function deliverTo(
    receivers: Iterable<Subscription>,
    tenantEvent: TenantEvent,
    entry?: StreamEntry,
  ) {
    const { event } = tenantEvent;
    const frames = new Map<string | undefined, Uint8Array>();
    for (const subscription of receivers) {
      if (!subscription.queues.includes(event.queue)) continue;
      if (entry && !isAfter(entry.position, subscription.after?.[entry.queue] ?? "0-0")) continue;
      if (subscription.isVisible?.(tenantEvent) === false) continue;
      const id = entry && getCursor(subscription);
      const frame = frames.get(id) ?? toFrame(event.event, event, id);
      frames.set(id, frame);
      try {
        subscription.receive(event, id, frame);
      } catch (error) {
        // Otherwise every poll would end here, and the subscriptions after this one would never get their events.
        deps.log.warn({ err: error, job: event.id }, "failed to deliver an event");
        subscription.end();
      }
    }
  }

  function onGap(queue: string, position: string) {
    if (positions !== undefined) positions[queue] = position;
    for (const subscription of subscriptions.ofQueues)
      if (subscription.queues.includes(queue)) subscription.onGap?.(queue);
  }

  function getCursor({ queues, after }: Subscription): string | undefined {
    const read = positions;
    if (read === undefined) return undefined;
    const reached = queues.map((queue): [string, string] => {
      const [position = "0-0", requested] = [read[queue], after?.[queue]];
      const isAhead = requested !== undefined && isAfter(requested, position);
      return [queue, isAhead ? requested : position];
    });
    return encodeCursor(Object.fromEntries(reached));
  }

  async function poll() {
    const ids = [...new Set([...subscriptions.getJobIds(), ...unsettled.keys()])];
    for (let from = 0; from < ids.length; from += maxIdsPerRead) {
      const outcomes = await readOutcomes(ids.slice(from, from + maxIdsPerRead));
      for (const outcome of outcomes) {
        if (outcome.status === "pending") continue;
        const at = new Date().toISOString();
        const tenantEvent = { tenant: outcome.tenant, event: toFinalEvent(outcome, at) };
        deliverTo(subscriptions.getOfJob(outcome.id), tenantEvent);
        if (unsettled.delete(outcome.id)) deliverTo([...subscriptions.ofQueues], tenantEvent);
      }
    }
    const now = performance.now();
    for (const [id, until] of unsettled) if (until < now) unsettled.delete(id);
  }

  function subscribe(subscription: Subscription) {
    startReader();
    subscriptions.add(subscription);
    // The job may have ended before the subscription was added.
    if (subscription.jobId !== undefined) poller.pollSoon();
  }

  return {
    subscribe,
    /**
     * Adds a subscription.
     * @returns the positions after which events are delivered; undefined if Redis is unavailable. The final event of a
     * single job is delivered even then
     */
    async subscribeWithPositions(subscription: Subscription): Promise<Positions | undefined> {
      const timeout = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => timeout.resolve(undefined), maxStartMs);
      const including = startReader();
      const include = async () => {
        await including.started;
        const added = await including.include(subscription.queues);
        if (reader === including && positions !== undefined) Object.assign(positions, added);
      };
      await Promise.race([include().catch(() => {}), timeout.promise]);
      clearTimeout(timer);
      // Entries in progress may have been filtered without this subscription.
      const isHandling = () => handling !== undefined;
      while (isHandling()) await handling;
      if (isClosed) return undefined;
      subscribe(subscription);
      return positions && { ...positions };
    },
    unsubscribe(subscription: Subscription) {
      subscriptions.delete(subscription);
      if (isClosed || !subscriptions.isEmpty) return;
      clearTimeout(stopTimer);
      stopTimer = setTimeout(() => void stopReader(), lingerMs);
    },
    getCursor,
    mapToEvents,
    get isClosed() {
      return isClosed;
    },
    /** Ends all subscriptions; no event is delivered afterwards. */
    async close() {
      isClosed = true;
      clearTimeout(stopTimer);
      poller.close();
      for (const subscription of subscriptions.getAll()) subscription.end();
      await stopReader();
    },
  };
}

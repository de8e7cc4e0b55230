import {
  isSettled,
  type Positions,
  type StreamEntry,
} from "@toril/contract/engine/redis/event-stream";
import { parseBullId } from "@toril/contract/engine/redis/names";
import { nextTurn } from "../../http/turn.ts";
import { encodeCursor, isAfter, toFrame } from "../frame.ts";
import {
  createEventMapper,
  type EventMapperDeps,
  isFinal,
  type TenantEvent,
} from "./event-mapper.ts";
import { createOutcomeWatch } from "./watch-outcomes.ts";
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
/** Deliveries before the hub yields to the event loop. */
const maxDeliveriesPerTurn = 1000;

export function createEventHub(deps: EventHubDeps) {
  const { readOutcomes, pollEveryMs = 1000, lingerMs = 30_000 } = deps;
  const subscriptions = createSubscriptions();
  const mapToEvents = createEventMapper({ ...deps, onUnsettled });
  let reader: StreamReader | undefined;
  let positions: Record<string, string> | undefined;
  let handling: Promise<unknown> | undefined;
  let stopTimer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;
  const outcomeWatch = createOutcomeWatch({
    readOutcomes,
    getFollowed: subscriptions.getJobIds,
    everyMs: pollEveryMs,
    onOutcome(tenantEvent, wasUnsettled) {
      deliverTo(subscriptions.getOfJob(tenantEvent.event.id), tenantEvent);
      if (wasUnsettled) deliverTo([...subscriptions.ofQueues], tenantEvent);
    },
    log: deps.log,
  });

  function onUnsettled(id: string) {
    if (subscriptions.ofQueues.size > 0) outcomeWatch.followUnsettled(id);
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
        if (subscriptions.hasJobs) outcomeWatch.pollSoon();
      },
      // Only a reader that was closed before it opened rejects; without positions the outcome watch finds the final events.
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

  function subscribe(subscription: Subscription) {
    startReader();
    subscriptions.add(subscription);
    // The job may have ended before the subscription was added.
    if (subscription.jobId !== undefined) outcomeWatch.pollSoon();
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
      // The reader logs that Redis is unavailable; without positions only the end of single jobs is delivered.
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
      outcomeWatch.close();
      for (const subscription of subscriptions.getAll()) subscription.end();
      await stopReader();
    },
  };
}

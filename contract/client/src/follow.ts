import type { EventGap, Import, Job, JobEvent, Overview } from "./api-types.ts";
import { readEvents, type SentEvent } from "./read-events.ts";
import { pause } from "./retry.ts";

export interface FollowOptions {
  signal?: AbortSignal | undefined;
  /** `id` of the last received event. */
  lastEventId?: string | undefined;
}

interface Seen {
  /** Value for `lastEventId`; undefined until an event has an `id`. */
  id: string | undefined;
}

export type FollowedEvent = Seen &
  ({ event: "gap"; data: EventGap } | { event: JobEvent["event"]; data: JobEvent });
export type FollowedJobEvent = FollowedEvent | (Seen & { event: "snapshot"; data: Job });
export type FollowedImportEvent = Seen & { event: "snapshot"; data: Import };
/** An `update` has the latest slots only. */
export type FollowedOverviewEvent = Seen & { event: "snapshot" | "update"; data: Overview };

// Safe casts: the contract types the data by the path of the stream and the name of the event.
export const toFollowedEvent = (sent: SentEvent) => parseData(sent) as FollowedEvent;
export const toFollowedJobEvent = (sent: SentEvent) => parseData(sent) as FollowedJobEvent;
export const toFollowedImportEvent = (sent: SentEvent) => parseData(sent) as FollowedImportEvent;
export const toFollowedOverviewEvent = (sent: SentEvent) =>
  parseData(sent) as FollowedOverviewEvent;

function parseData({ event, data, id }: SentEvent) {
  return { event, data: JSON.parse(data) as unknown, id };
}

const pauseMs = 1000;

/**
 * Yields events and reconnects after a lost connection, resuming after the last event, until the stream is complete.
 * Throws an error of the first `connect`, and later any error that is not transient.
 * @param connect resolves with the body of the response, or with undefined if the stream is complete
 */
export async function* follow<Event>(
  connect: (lastEventId: string | undefined) => Promise<ReadableStream<Uint8Array> | undefined>,
  toEvent: (sent: SentEvent) => Event,
  { isTransient, signal, lastEventId }: FollowOptions & { isTransient(error: unknown): boolean },
): AsyncGenerator<Event, void, undefined> {
  let last = lastEventId;
  for (let isFirst = true; ; isFirst = false) {
    try {
      const body = await connect(last);
      if (body === undefined) return;
      const events = untilBroken(
        readEvents(body, (id) => (last = id)),
        signal,
      );
      for await (const sent of events) yield toEvent(sent);
    } catch (error) {
      if (isFirst || signal?.aborted || !isTransient(error)) throw error;
    }
    if (last?.endsWith(";end")) return;
    await pause(pauseMs, signal);
  }
}

async function* untilBroken(events: AsyncIterable<SentEvent>, signal: AbortSignal | undefined) {
  try {
    yield* events;
  } catch (error) {
    if (signal?.aborted) throw error;
  }
}

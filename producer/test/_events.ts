import { readEvents } from "@toril/client/read-events";
import type { StreamEntry } from "@toril/contract/engine/redis/event-stream";
import type { StreamSource } from "../src/events/hub/stream-reader.ts";

export type _Listener = Awaited<ReturnType<typeof _listen>>;

interface Heard {
  event: string;
  // oxlint-disable-next-line no-explicit-any -- tests look into it
  data: any;
  id: string | undefined;
}

/** Opens an event stream and collects its events. */
export async function _listen(url: string | URL, headers: Record<string, string> = {}) {
  const leaving = new AbortController();
  const response = await fetch(url, { headers, signal: leaving.signal });
  const heard: Heard[] = [];
  let lastId: string | undefined;
  const read = async () => {
    if (response.body === null) return;
    const events = readEvents(response.body, (id) => (lastId = id));
    for await (const { event, data, id } of events)
      heard.push({ event, data: JSON.parse(data), id });
  };
  let isEnded = false;
  const ended = read()
    .catch(() => {})
    .finally(() => (isEnded = true));
  return {
    response,
    heard,
    ended,
    get isEnded() {
      return isEnded;
    },
    /** The `Last-Event-ID` that a client would send on reconnect. */
    get lastId() {
      return lastId ?? "";
    },
    names: () => heard.map(({ event }) => event),
    async disconnect() {
      leaving.abort();
      await ended;
    },
  };
}

/** Opens a source of a queue without events. */
export function _openIdleSource(): StreamSource {
  const closed = Promise.withResolvers<StreamEntry[]>();
  return { read: () => closed.promise, close: () => closed.resolve([]) };
}

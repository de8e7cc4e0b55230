import type { Exchange } from "../exchange.ts";
import { ProblemError } from "../problem.ts";
import type { Places } from "./places.ts";

export interface EventStreamSettings {
  places: Places;
  /** Whether who asked then would still be let in. */
  isLetIn(exchange: Exchange): Promise<boolean>;
  heartbeatMs?: number;
}

/** Where the events of one client go. */
export interface EventSink {
  readonly isOpen: boolean;
  /** A client that has left half a megabyte unread is cut off: it comes back with `Last-Event-ID`. */
  send(frame: Uint8Array): void;
  /** Resolves when the client has read what was sent, or is gone. */
  drained(): Promise<void>;
  end(): void;
}

export interface EventStreamOptions {
  /** What is sent again and again, so that nobody takes the connection for dead. */
  heartbeat(): Uint8Array;
  onEnd(): void;
}

export type OpenEventStream = (
  exchange: Exchange,
  options: EventStreamOptions,
) => { sink: EventSink; response: Response };

/** Several times what comes in one go. */
const maxUnread = 524_288;

const headers = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store",
  "X-Accel-Buffering": "no",
};

/** The answer to somebody who asks for no more than its head. */
export function headOnly({ request }: Exchange): Response | undefined {
  return request.method === "HEAD" ? new Response(null, { headers }) : undefined;
}

export function createEventStreams(settings: EventStreamSettings): OpenEventStream {
  const { places, isLetIn, heartbeatMs = 15_000 } = settings;

  return (exchange, { heartbeat, onEnd }) => {
    if (!places.take()) throw new ProblemError("at-capacity", "Too many clients listen already.");
    exchange.keepOpen(0);
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    let isOpen = true;
    let wake = () => {};
    const beating = setInterval(() => {
      sink.send(heartbeat());
      void isLetIn(exchange)
        .catch(() => false)
        .then((isStill) => {
          if (!isStill) sink.end();
        });
    }, heartbeatMs);

    function close() {
      if (!isOpen) return false;
      isOpen = false;
      clearInterval(beating);
      places.giveBack();
      wake();
      onEnd();
      return true;
    }

    const sink: EventSink = {
      get isOpen() {
        return isOpen;
      },
      send(frame) {
        if (!isOpen || controller === undefined) return;
        const { desiredSize } = controller;
        if (desiredSize === null || desiredSize <= 0) {
          if (close()) controller.error(new Error("the client is too slow"));
          return;
        }
        controller.enqueue(frame);
      },
      async drained() {
        const isAwaited = () => isOpen && (controller?.desiredSize ?? 0) < maxUnread;
        while (isAwaited()) {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      },
      end() {
        if (close()) controller?.close();
      },
    };
    const body = new ReadableStream<Uint8Array>(
      {
        start(given) {
          controller = given;
        },
        pull: () => wake(),
        cancel: () => void close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: maxUnread }),
    );
    return { sink, response: new Response(body, { headers }) };
  };
}

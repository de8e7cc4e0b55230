import type { Logger } from "pino";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import type { ListenerLimit } from "./listener-limit.ts";
import type { UnreadBudget } from "./unread-budget.ts";

export interface EventStreamSettings {
  limit: ListenerLimit;
  unread: UnreadBudget;
  /** Whether the request would still be authorized now. */
  isLetIn(exchange: RequestContext): Promise<boolean>;
  log: Pick<Logger, "warn">;
  heartbeatMs?: number;
}

/** The event stream of one client. */
export interface EventSink {
  readonly isOpen: boolean;
  /** Disconnects a client that has too many unread bytes; the client resumes with `Last-Event-ID`. */
  send(frame: Uint8Array): void;
  /**
   * Like `send`, but holds frames back until `release` has finished, because earlier events are still being replayed.
   */
  sendLive(frame: Uint8Array): void;
  /** Sends the frames held back, no faster than the client reads. */
  release(): Promise<void>;
  readonly isHolding: boolean;
  /** Resolves when the client has read everything sent, or is gone. */
  drained(): Promise<void>;
  end(): void;
  /** Logs the error and ends the stream. */
  fail(error: unknown): void;
}

export interface EventStreamOptions {
  /** Sent periodically, so that proxies and clients do not close an idle connection. */
  heartbeat(): Uint8Array;
  onEnd(): void;
}

export type OpenEventStream = (
  exchange: RequestContext,
  options: EventStreamOptions,
) => { sink: EventSink; response: Response };

/** Maximum unread bytes of one client, several times the size of one read from Redis. */
const maxUnread = 786_432;
/** Approximate memory per frame in addition to its bytes. */
const frameOverhead = 200;
/** Frames sent before checking again whether the client reads. */
const releasedAtOnce = 100;

const headers = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store",
  "X-Accel-Buffering": "no",
};

/** Returns the response to a HEAD request; undefined for other methods. */
export function headOnly({ request }: RequestContext): Response | undefined {
  return request.method === "HEAD" ? new Response(null, { headers }) : undefined;
}

export function createEventStreams(settings: EventStreamSettings): OpenEventStream {
  const { limit, unread, isLetIn, log, heartbeatMs = 15_000 } = settings;

  return (exchange, { heartbeat, onEnd }) => {
    const taken = limit.take(exchange.principal);
    if (typeof taken === "string") throw refusal(taken);
    const giveBack = taken;
    exchange.keepOpen(0);
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    let isOpen = true;
    let isHolding = true;
    let held: Uint8Array[] = [];
    let heldBytes = 0;
    let wake = () => {};
    const stream = { cutOff };
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
      held = [];
      clearInterval(beating);
      giveBack();
      unread.set(stream, 0);
      wake();
      onEnd();
      return true;
    }

    function cutOff() {
      if (close()) controller?.error(new Error("the client is too slow"));
    }

    function queuedBytes() {
      return maxUnread - (controller?.desiredSize ?? maxUnread);
    }

    function count() {
      if (isOpen) unread.set(stream, queuedBytes() + heldBytes);
    }

    const sink: EventSink = {
      get isOpen() {
        return isOpen;
      },
      send(frame) {
        if (!isOpen || controller === undefined) return;
        if (queuedBytes() >= maxUnread) return cutOff();
        controller.enqueue(frame);
        count();
      },
      get isHolding() {
        return isHolding;
      },
      sendLive(frame) {
        if (!isHolding) return sink.send(frame);
        if (!isOpen) return;
        if (heldBytes >= maxUnread) return cutOff();
        held.push(frame);
        heldBytes += sizeOf(frame);
        count();
      },
      async release() {
        while (held.length > 0) {
          for (const frame of held.splice(0, releasedAtOnce)) {
            heldBytes -= sizeOf(frame);
            sink.send(frame);
          }
          if (held.length > 0) await sink.drained();
        }
        isHolding = false;
      },
      async drained() {
        const isAwaited = () => isOpen && queuedBytes() > 0;
        while (isAwaited()) {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      },
      end() {
        if (close()) controller?.close();
      },
      fail(error) {
        if (!isOpen) return;
        const { requestId } = exchange;
        log.warn({ err: error, requestId }, "a stream of events ended because of an error");
        sink.end();
      },
    };
    const body = new ReadableStream<Uint8Array>(
      {
        start(given) {
          controller = given;
        },
        pull() {
          count();
          wake();
        },
        cancel: () => void close(),
      },
      { highWaterMark: maxUnread, size: (frame) => (frame === undefined ? 0 : sizeOf(frame)) },
    );
    return { sink, response: new Response(body, { headers }) };
  };
}

function sizeOf(frame: Uint8Array): number {
  return frame.byteLength + frameOverhead;
}

function refusal(reached: "all" | "tenant" | "key") {
  return reached === "all"
    ? new ProblemError("at-capacity", "Too many clients listen already.")
    : new ProblemError(
        "quota-exceeded",
        `Too many clients of the ${reached} listen already.`,
        undefined,
        {
          headers: { "Retry-After": "5" },
        },
      );
}

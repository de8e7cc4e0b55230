import type { Logger } from "pino";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import type { ConnectionLimit, UnreadBudget } from "./connection-limit.ts";

export interface EventStreamSettings {
  limit: ConnectionLimit;
  unread: UnreadBudget;
  /** Whether the request would still be authorized now. */
  isAuthorized(context: RequestContext): Promise<boolean>;
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
  readonly isReplaying: boolean;
  /** Resolves when the client has read everything sent, or has disconnected. */
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
  context: RequestContext,
  options: EventStreamOptions,
) => { sink: EventSink; response: Response };

/** Maximum unread bytes of one client, several times the size of one read from Redis. */
const maxUnreadBytes = 786_432;
/** Approximate memory per frame in addition to its bytes. */
const frameOverheadBytes = 200;
/** Frames that follow within this time share a chunk, because writing a chunk costs far more than a frame. */
const coalesceMs = 10;
/** Frames sent before checking again whether the client reads. */
const maxFramesPerRelease = 100;

const headers = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store",
  "X-Accel-Buffering": "no",
};

/** Returns the response to a HEAD request; undefined for other methods. */
export function toHeadResponse({ request }: RequestContext): Response | undefined {
  return request.method === "HEAD" ? new Response(null, { headers }) : undefined;
}

export function createEventStreams(settings: EventStreamSettings): OpenEventStream {
  const { limit, unread, isAuthorized, log, heartbeatMs = 15_000 } = settings;

  return (context, { heartbeat, onEnd }) => {
    const acquired = limit.acquire(context.principal);
    if (typeof acquired === "string") throw toLimitProblem(acquired);
    const releaseConnection = acquired;
    context.setIdleTimeout(0);
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    let isOpen = true;
    let isReplaying = true;
    let heldFrames: Uint8Array[] = [];
    let heldBytes = 0;
    let queuedFrames: Uint8Array[] = [];
    let queuedBytes = 0;
    let flushedAt = Number.NEGATIVE_INFINITY;
    let flushTimer: ReturnType<typeof setTimeout> | undefined;
    let wake = () => {};
    const stream = { disconnect };
    const heartbeatTimer = setInterval(() => {
      sink.send(heartbeat());
      void isAuthorized(context)
        .catch(() => false)
        .then((isAllowed) => {
          if (!isAllowed) sink.end();
        });
    }, heartbeatMs);

    function close() {
      if (!isOpen) return false;
      isOpen = false;
      heldFrames = [];
      queuedFrames = [];
      clearInterval(heartbeatTimer);
      clearTimeout(flushTimer);
      releaseConnection();
      unread.set(stream, 0);
      wake();
      onEnd();
      return true;
    }

    function disconnect() {
      if (close()) controller?.error(new Error("the client is too slow"));
    }

    function getQueuedBytes() {
      return queuedBytes + maxUnreadBytes - (controller?.desiredSize ?? maxUnreadBytes);
    }

    function flush() {
      clearTimeout(flushTimer);
      flushTimer = undefined;
      if (queuedFrames.length === 0) return;
      const [first] = queuedFrames;
      const chunk = queuedFrames.length === 1 ? first : Buffer.concat(queuedFrames);
      queuedFrames = [];
      queuedBytes = 0;
      flushedAt = performance.now();
      try {
        controller?.enqueue(chunk);
      } catch {
        // The runtime has closed the stream. No other stream may be affected.
        close();
      }
      updateUnread();
    }

    function updateUnread() {
      if (isOpen) unread.set(stream, getQueuedBytes() + heldBytes);
    }

    const sink: EventSink = {
      get isOpen() {
        return isOpen;
      },
      send(frame) {
        if (!isOpen || controller === undefined) return;
        if (getQueuedBytes() >= maxUnreadBytes) return disconnect();
        queuedFrames.push(frame);
        queuedBytes += getFrameSize(frame);
        updateUnread();
        if (flushTimer !== undefined) return;
        const waitMs = flushedAt + coalesceMs - performance.now();
        if (waitMs <= 0) flush();
        else flushTimer = setTimeout(flush, waitMs);
      },
      get isReplaying() {
        return isReplaying;
      },
      sendLive(frame) {
        if (!isReplaying) return sink.send(frame);
        if (!isOpen) return;
        if (heldBytes >= maxUnreadBytes) return disconnect();
        heldFrames.push(frame);
        heldBytes += getFrameSize(frame);
        updateUnread();
      },
      async release() {
        while (heldFrames.length > 0) {
          for (const frame of heldFrames.splice(0, maxFramesPerRelease)) {
            heldBytes -= getFrameSize(frame);
            sink.send(frame);
          }
          if (heldFrames.length > 0) await sink.drained();
        }
        isReplaying = false;
      },
      async drained() {
        flush();
        const hasUnread = () => isOpen && getQueuedBytes() > 0;
        while (hasUnread()) {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      },
      end() {
        flush();
        if (close()) controller?.close();
      },
      fail(error) {
        if (!isOpen) return;
        const { requestId } = context;
        log.warn({ err: error, requestId }, "event stream ended by an error");
        sink.end();
      },
    };
    const body = new ReadableStream<Uint8Array>(
      {
        start(streamController) {
          controller = streamController;
        },
        pull() {
          updateUnread();
          wake();
        },
        cancel: () => void close(),
      },
      {
        highWaterMark: maxUnreadBytes,
        size: (frame) => (frame === undefined ? 0 : getFrameSize(frame)),
      },
    );
    return { sink, response: new Response(body, { headers }) };
  };
}

function getFrameSize(frame: Uint8Array): number {
  return frame.byteLength + frameOverheadBytes;
}

function toLimitProblem(limit: "all" | "tenant" | "key") {
  return limit === "all"
    ? new ProblemError(
        "at-capacity",
        "The maximum number of event streams and waiting requests is reached.",
      )
    : new ProblemError(
        "quota-exceeded",
        `The maximum number of event streams and waiting requests of the ${limit} is reached.`,
        undefined,
        {
          headers: { "Retry-After": "5" },
        },
      );
}

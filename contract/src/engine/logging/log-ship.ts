/** The subset of a `node:net` socket that log shipping uses. */
export interface ShipSocket {
  once(event: "connect" | "close", listener: () => void): unknown;
  /** `done` is called when the operating system has taken the text. */
  write(text: string, done: (error?: Error | null) => void): unknown;
  end(): unknown;
  destroy(): unknown;
}

export interface ShipSettings {
  /** Starts to connect. The caller must discard received data and handle errors. */
  connect(): ShipSocket;
  /** Maximum length of the buffer, in characters; the oldest lines are dropped beyond it. */
  maxBuffered: number;
  /** Formats the line that reports dropped lines. */
  droppedLine(count: number): string;
  onChange?(isConnected: boolean): void;
  firstPauseMs?: number;
  longestPauseMs?: number;
  /** How long a connection may accept no data before it is destroyed. */
  stallMs?: number;
}

export interface LogShipper {
  /**
   * Buffers a line without blocking.
   * @param line with its newline
   */
  push(line: string): void;
  readonly isConnected: boolean;
  readonly buffered: number;
  readonly dropped: number;
  /**
   * Flushes the buffer for at most `deadlineMs` and closes the connection.
   * @returns the number of lines that were not sent
   */
  close(deadlineMs: number): Promise<number>;
}

/** Maximum length of one write. A write is repeated in full if the connection breaks before it completes. */
const chunkLength = 64_000;

/**
 * Creates a shipper that sends lines over TCP in order and reconnects with backoff. A line counts as sent when the
 * operating system has taken it: lines in transit when the connection breaks are lost and not counted.
 */
export function createLogShipper(settings: ShipSettings): LogShipper {
  const { maxBuffered, firstPauseMs = 100, longestPauseMs = 10_000, stallMs = 30_000 } = settings;
  let waiting: string[] = [];
  let inTransit: string[] = [];
  let buffered = 0;
  let dropped = 0;
  let unreported = 0;
  let socket: ShipSocket | undefined;
  let isConnected = false;
  let pauseMs = firstPauseMs;
  let isClosed = false;
  let closed: Promise<number> | undefined;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let stallTimer: ReturnType<typeof setTimeout> | undefined;
  let whenEmpty: (() => void) | undefined;

  function open() {
    const opened = settings.connect();
    socket = opened;
    watchForStall(opened);
    opened.once("connect", () => {
      clearTimeout(stallTimer);
      isConnected = true;
      settings.onChange?.(true);
      send();
    });
    opened.once("close", () => {
      clearTimeout(stallTimer);
      waiting = [...inTransit, ...waiting];
      inTransit = [];
      socket = undefined;
      if (isConnected) settings.onChange?.(false);
      isConnected = false;
      if (isClosed) return;
      retryTimer = setTimeout(open, pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    });
  }

  function watchForStall(opened: ShipSocket) {
    stallTimer = setTimeout(() => opened.destroy(), stallMs);
  }

  function send() {
    const to = socket;
    if (to === undefined || !isConnected || inTransit.length > 0) return;
    if (waiting.length === 0) return whenEmpty?.();
    reportDropped();
    const { count, length } = measureFirst(waiting);
    inTransit = waiting.splice(0, count);
    watchForStall(to);
    to.write(inTransit.join(""), (error) => {
      // The close handler requeues the lines.
      if (error || to !== socket) return;
      clearTimeout(stallTimer);
      inTransit = [];
      buffered -= length;
      pauseMs = firstPauseMs;
      send();
    });
  }

  function reportDropped() {
    if (unreported === 0) return;
    const line = settings.droppedLine(unreported);
    waiting.unshift(line);
    buffered += line.length;
    unreported = 0;
  }

  /** Drops a tenth at once: dropping one line costs as much as dropping many. */
  function dropOldest() {
    let count = 0;
    for (const line of waiting) {
      if (buffered <= maxBuffered * 0.9) break;
      buffered -= line.length;
      count += 1;
    }
    waiting.splice(0, count);
    dropped += count;
    unreported += count;
  }

  async function close(deadlineMs: number) {
    let deadline: ReturnType<typeof setTimeout> | undefined;
    if (waiting.length + inTransit.length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      whenEmpty = resolve;
      deadline = setTimeout(resolve, deadlineMs);
      await promise;
    }
    isClosed = true;
    for (const timer of [deadline, retryTimer, stallTimer]) clearTimeout(timer);
    const left = waiting.length + inTransit.length;
    if (left > 0 || !isConnected) socket?.destroy();
    else socket?.end();
    return left;
  }

  open();
  return {
    push(line) {
      if (isClosed) return;
      waiting.push(line);
      buffered += line.length;
      if (buffered > maxBuffered) dropOldest();
      send();
    },
    get isConnected() {
      return isConnected;
    },
    get buffered() {
      return buffered;
    },
    get dropped() {
      return dropped;
    },
    close: (deadlineMs) => (closed ??= close(deadlineMs)),
  };
}

function measureFirst(lines: readonly string[]) {
  let count = 0;
  let length = 0;
  for (const line of lines) {
    if (count > 0 && length + line.length > chunkLength) break;
    count += 1;
    length += line.length;
  }
  return { count, length };
}

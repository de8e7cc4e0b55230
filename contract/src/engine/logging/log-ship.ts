/** What shipping needs of a TCP socket, as `node:net` has it. */
export interface ShipSocket {
  once(event: "connect" | "close", listener: () => void): unknown;
  /** `done` is called when the system has taken the text. */
  write(text: string, done: (error?: Error | null) => void): unknown;
  end(): unknown;
  destroy(): unknown;
}

export interface ShipSettings {
  /** Begins to connect; what the other side sends must be dropped, errors must be listened to. */
  connect(): ShipSocket;
  /** What may wait, in characters; beyond it the oldest lines are dropped. */
  maxBuffered: number;
  /** The line that tells how many were dropped. */
  droppedLine(count: number): string;
  onChange?(isConnected: boolean): void;
  firstPauseMs?: number;
  longestPauseMs?: number;
  /** After which a connection that takes nothing is given up. */
  stallMs?: number;
}

export interface LogShipper {
  /** Never waits. @param line with its newline */
  push(line: string): void;
  readonly isConnected: boolean;
  readonly buffered: number;
  readonly dropped: number;
  /**
   * Sends what is left for at most that long, and ends the connection.
   * @returns how many lines were left
   */
  close(deadlineMs: number): Promise<number>;
}

/** One write; repeated as a whole when its connection breaks before the system has taken it. */
const chunkLength = 64_000;

/**
 * Sends lines over TCP as they come, in their order, and connects again when the other side goes away. A line that the
 * system has taken counts as sent: what was on the wire when the connection broke is lost, and not counted.
 */
export function createLogShipper(settings: ShipSettings): LogShipper {
  const { maxBuffered, firstPauseMs = 100, longestPauseMs = 10_000, stallMs = 30_000 } = settings;
  let waiting: string[] = [];
  let onTheWay: string[] = [];
  let buffered = 0;
  let dropped = 0;
  let untold = 0;
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
      waiting = [...onTheWay, ...waiting];
      onTheWay = [];
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
    if (to === undefined || !isConnected || onTheWay.length > 0) return;
    if (waiting.length === 0) return whenEmpty?.();
    tellDropped();
    const { count, length } = firstOf(waiting);
    onTheWay = waiting.splice(0, count);
    watchForStall(to);
    to.write(onTheWay.join(""), (error) => {
      // The end of the connection puts them back.
      if (error || to !== socket) return;
      clearTimeout(stallTimer);
      onTheWay = [];
      buffered -= length;
      pauseMs = firstPauseMs;
      send();
    });
  }

  function tellDropped() {
    if (untold === 0) return;
    const line = settings.droppedLine(untold);
    waiting.unshift(line);
    buffered += line.length;
    untold = 0;
  }

  /** A tenth at once: to drop one of many costs as much as to drop many. */
  function dropOldest() {
    let count = 0;
    for (const line of waiting) {
      if (buffered <= maxBuffered * 0.9) break;
      buffered -= line.length;
      count += 1;
    }
    waiting.splice(0, count);
    dropped += count;
    untold += count;
  }

  async function close(deadlineMs: number) {
    let deadline: ReturnType<typeof setTimeout> | undefined;
    if (waiting.length + onTheWay.length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      whenEmpty = resolve;
      deadline = setTimeout(resolve, deadlineMs);
      await promise;
    }
    isClosed = true;
    for (const timer of [deadline, retryTimer, stallTimer]) clearTimeout(timer);
    const left = waiting.length + onTheWay.length;
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

function firstOf(lines: readonly string[]) {
  let count = 0;
  let length = 0;
  for (const line of lines) {
    if (count > 0 && length + line.length > chunkLength) break;
    count += 1;
    length += line.length;
  }
  return { count, length };
}

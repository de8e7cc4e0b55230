/** Bounds the bytes that all holders have together. */
export interface ByteBudget {
  open(): HeldBytes;
  /** What all holders have at the moment. */
  readonly heldBytes: number;
}

/** The bytes of one holder. Disposing gives all of them back; a second time has no effect. */
export interface HeldBytes extends Disposable {
  /** At once where there is room, otherwise when there is. Rejects with the reason of an aborted `signal`. */
  grow(bytes: number, signal: AbortSignal): Promise<void>;
}

export interface ByteBudgetSettings {
  maxBytes: number;
  /** A holder must not grow beyond this. */
  maxBytesPerHolder: number;
}

interface Waiter {
  holder: symbol;
  bytes: number;
  start(): void;
}

/**
 * Holders grow step by step, in the order in which they ask. Together they have the budget but for the size of the largest
 * holder, which is set aside: one holder at a time may grow into it. That holder never waits, so it ends and makes room, and
 * holders that are half done never wait for each other in vain.
 */
export function createByteBudget({ maxBytes, maxBytesPerHolder }: ByteBudgetSettings): ByteBudget {
  const commonBytes = Math.max(0, maxBytes - maxBytesPerHolder);
  const held = new Map<symbol, number>();
  const waiting = new Set<Waiter>();
  let heldBytes = 0;
  /** Who may grow into what is set aside. */
  let privileged: symbol | undefined;
  let privilegedBytes = 0;

  function add(holder: symbol, bytes: number) {
    held.set(holder, (held.get(holder) ?? 0) + bytes);
    heldBytes += bytes;
    if (holder === privileged) privilegedBytes += bytes;
  }

  function tryAdd(holder: symbol, bytes: number): boolean {
    const isInCommon = heldBytes - privilegedBytes + bytes <= commonBytes;
    if (holder !== privileged && !isInCommon) {
      if (privileged !== undefined) return false;
      privileged = holder;
      privilegedBytes = 0;
    }
    add(holder, bytes);
    return true;
  }

  function startNext() {
    for (const waiter of waiting) {
      if (!tryAdd(waiter.holder, waiter.bytes)) return;
      waiting.delete(waiter);
      waiter.start();
    }
  }

  function release(holder: symbol) {
    heldBytes -= held.get(holder) ?? 0;
    held.delete(holder);
    if (holder === privileged) {
      privileged = undefined;
      privilegedBytes = 0;
    }
    startNext();
  }

  return {
    open() {
      const holder = Symbol("holder");
      return {
        async grow(bytes, signal) {
          signal.throwIfAborted();
          const isFirst = waiting.size === 0 || holder === privileged;
          if (isFirst && tryAdd(holder, bytes)) return;
          const { promise, resolve, reject } = Promise.withResolvers<void>();
          const onAbort = () => {
            waiting.delete(waiter);
            reject(signal.reason);
            // The next one may fit where this one did not.
            startNext();
          };
          const waiter: Waiter = {
            holder,
            bytes,
            start() {
              signal.removeEventListener("abort", onAbort);
              resolve();
            },
          };
          waiting.add(waiter);
          signal.addEventListener("abort", onAbort, { once: true });
          await promise;
        },
        [Symbol.dispose]: () => release(holder),
      };
    },
    get heldBytes() {
      return heldBytes;
    },
  };
}

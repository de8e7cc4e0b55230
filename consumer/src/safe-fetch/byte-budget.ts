/** Limits the total bytes of all holders. */
export interface ByteBudget {
  open(): HeldBytes;
  /** Bytes of all holders at the moment. */
  readonly heldBytes: number;
}

/** Bytes of one holder. Disposing releases all of them; disposing again has no effect. */
export interface HeldBytes extends Disposable {
  /** Resolves when there is room for `bytes`. Rejects with the reason of an aborted `signal`. */
  grow(bytes: number, signal: AbortSignal): Promise<void>;
}

export interface ByteBudgetSettings {
  maxBytes: number;
  /** Maximum bytes of one holder. */
  maxBytesPerHolder: number;
}

interface Waiter {
  holder: symbol;
  bytes: number;
  start(): void;
}

/**
 * Holders grow in steps, in request order. They share the budget except for a reserve of the size of the largest
 * holder. One holder at a time may grow into the reserve: that holder never waits, finishes and makes room, so holders
 * never deadlock.
 */
export function createByteBudget({ maxBytes, maxBytesPerHolder }: ByteBudgetSettings): ByteBudget {
  const commonBytes = Math.max(0, maxBytes - maxBytesPerHolder);
  const held = new Map<symbol, number>();
  const waiting = new Set<Waiter>();
  let heldBytes = 0;
  /** The holder that may use the reserve. */
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
            // The next waiter may need less than the aborted one.
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

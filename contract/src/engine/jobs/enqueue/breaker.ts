import { isRefusedByRedis, isUnavailableReply } from "../../redis/errors.ts";

/** State of the Redis that holds a queue. `refusing`: Redis answers but rejects the writes to this queue. */
export type QueueAvailability = "available" | "refusing" | "unavailable";

/** One circuit breaker per queue. */
export interface Breakers {
  /** Whether the breaker of the queue is open. */
  isOpen(queue: string): boolean;
  readonly isAnyOpen: boolean;
  /** Runs `work`; resolves to false if `work` fails, and at once while the breaker is open. */
  attempt(queue: string, work: () => Promise<unknown>): Promise<boolean>;
  close(): void;
}

export interface BreakerSettings {
  /** Writes to the Redis that holds the queue; rejects while Redis is unavailable. */
  probe(queue: string): Promise<unknown>;
  probeEveryMs: number;
  onChange(queue: string, availability: QueueAvailability, error?: unknown): void;
}

interface Breaker {
  availability: QueueAvailability;
  /** A probe that runs because another queue's Redis, maybe the same one, became unavailable. */
  check?: Promise<void> | undefined;
  timer?: ReturnType<typeof setTimeout>;
}

/**
 * Creates circuit breakers that spare callers the timeouts of an unavailable Redis: after one failure, only the probe
 * calls Redis. Errors specific to one queue do not open a breaker.
 */
export function createBreakers({ probe, probeEveryMs, onChange }: BreakerSettings): Breakers {
  const breakers = new Map<string, Breaker>();
  let isClosed = false;

  function getBreaker(queue: string): Breaker {
    let breaker = breakers.get(queue);
    if (breaker === undefined) breakers.set(queue, (breaker = { availability: "available" }));
    return breaker;
  }

  function change(queue: string, breaker: Breaker, next: QueueAvailability, error?: unknown) {
    if (breaker.availability === next) return;
    breaker.availability = next;
    onChange(queue, next, error);
  }

  function open(queue: string, breaker: Breaker, error: unknown) {
    if (breaker.availability === "unavailable" || isClosed) return;
    change(queue, breaker, "unavailable", error);
    probeLater(queue, breaker);
    if (isRefusedByRedis(error)) return;
    for (const [other, one] of breakers) if (other !== queue) check(other, one);
  }

  function check(queue: string, breaker: Breaker) {
    if (breaker.availability === "unavailable") return;
    breaker.check ??= probe(queue)
      .then(
        () => {},
        (error: unknown) => open(queue, breaker, error),
      )
      .finally(() => {
        breaker.check = undefined;
      });
  }

  function probeLater(queue: string, breaker: Breaker) {
    if (!isClosed) breaker.timer = setTimeout(() => void probeOnce(queue, breaker), probeEveryMs);
  }

  async function probeOnce(queue: string, breaker: Breaker) {
    try {
      await probe(queue);
      change(queue, breaker, "available");
    } catch {
      probeLater(queue, breaker);
    }
  }

  return {
    isOpen: (queue) => getBreaker(queue).availability === "unavailable",
    get isAnyOpen() {
      return breakers.values().some(({ availability }) => availability === "unavailable");
    },
    async attempt(queue, work) {
      const breaker = getBreaker(queue);
      if (breaker.check !== undefined) await breaker.check;
      if (breaker.availability === "unavailable") return false;
      try {
        await work();
        if (breaker.availability === "refusing") change(queue, breaker, "available");
        return true;
      } catch (error) {
        if (isOutage(error)) open(queue, breaker, error);
        else if (breaker.availability === "available") change(queue, breaker, "refusing", error);
        return false;
      }
    },
    close() {
      isClosed = true;
      for (const { timer } of breakers.values()) clearTimeout(timer);
    },
  };
}

/** Whether an error means that Redis is unavailable, not that Redis rejected this one command. */
function isOutage(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return false;
  return !isRefusedByRedis(error) || isUnavailableReply(error);
}

/** No turn within the wait time, or too many waiting callers in the lane. No work was started. */
export class NoTurn extends Error {
  constructor(reason: "full" | "late" | "closed") {
    super(`no turn: ${reason}`);
  }
}

export interface TurnSettings {
  /** Maximum number of concurrent turns. */
  slots: number;
  /** Maximum number of concurrent turns of one lane. */
  slotsPerLane?: number;
  /** Maximum number of waiting callers of one lane. */
  maxWaitingPerLane?: number;
}

/**
 * Limits concurrency fairly. Lanes, for example tenants, are served round-robin: a long queue in one lane does not
 * delay another lane.
 */
export interface Turns {
  /**
   * Resolves when it is the caller's turn; the caller must end the turn.
   * Rejects with `NoTurn` if the lane is full or no turn is available within `waitMs`.
   */
  take(lane: string, waitMs?: number): Promise<EndTurn>;
  /** Rejects all waiting callers. */
  close(): void;
}

/** Ends a turn; a second call has no effect. */
export type EndTurn = () => void;

interface Waiter {
  start(): void;
  reject(error: NoTurn): void;
}

interface Lane {
  running: number;
  waiting: Set<Waiter>;
}

/** Creates a fair concurrency limit. */
export function createTurns(settings: TurnSettings): Turns {
  const { slots, slotsPerLane = slots, maxWaitingPerLane = Number.POSITIVE_INFINITY } = settings;
  /** In order of service: a lane that was served moves to the end. */
  const lanes = new Map<string, Lane>();
  let running = 0;
  let isClosed = false;

  function begin(name: string, lane: Lane): EndTurn {
    let hasEnded = false;
    running += 1;
    lane.running += 1;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      running -= 1;
      lane.running -= 1;
      removeIfIdle(name, lane);
      startNext();
    };
  }

  /** Starts a turn of the lane that was served least recently. */
  function startNext() {
    for (const [name, lane] of lanes) {
      const [waiter] = lane.waiting;
      if (waiter === undefined || lane.running >= slotsPerLane) continue;
      lanes.delete(name);
      lanes.set(name, lane);
      lane.waiting.delete(waiter);
      waiter.start();
      return;
    }
  }

  function removeIfIdle(name: string, lane: Lane) {
    if (lane.running === 0 && lane.waiting.size === 0) lanes.delete(name);
  }

  return {
    async take(name, waitMs) {
      if (isClosed) throw new NoTurn("closed");
      const lane = lanes.get(name) ?? { running: 0, waiting: new Set() };
      lanes.set(name, lane);
      if (running < slots && lane.running < slotsPerLane) return begin(name, lane);
      if (lane.waiting.size >= maxWaitingPerLane) throw new NoTurn("full");
      return new Promise<EndTurn>((resolve, reject) => {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const waiter: Waiter = {
          start() {
            clearTimeout(timer);
            resolve(begin(name, lane));
          },
          reject(error) {
            clearTimeout(timer);
            reject(error);
          },
        };
        lane.waiting.add(waiter);
        if (waitMs === undefined) return;
        timer = setTimeout(() => {
          lane.waiting.delete(waiter);
          removeIfIdle(name, lane);
          reject(new NoTurn("late"));
        }, waitMs);
      });
    },
    close() {
      isClosed = true;
      for (const { waiting } of lanes.values()) {
        for (const waiter of waiting) waiter.reject(new NoTurn("closed"));
        waiting.clear();
      }
    },
  };
}

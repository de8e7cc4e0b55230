/** The caller waited for a turn in vain, or too many callers of its lane wait already. Nothing was begun. */
export class NoTurn extends Error {
  constructor(reason: "full" | "late" | "closed") {
    super(`no turn: ${reason}`);
  }
}

export interface TurnSettings {
  /** How many turns are taken at the same time. */
  slots: number;
  /** How many turns one lane takes at the same time. */
  slotsPerLane?: number;
  /** How many callers of one lane may wait. */
  maxWaitingPerLane?: number;
}

/** Limits concurrency. Lanes, for example tenants, take turns: a long queue in one lane does not delay another lane. */
export interface Turns {
  /**
   * Resolves when it is the caller's turn; the caller must end the turn.
   * Rejects with `NoTurn` when the lane is full or nothing is free within `waitMs`.
   */
  take(lane: string, waitMs?: number): Promise<EndTurn>;
  /** Rejects all callers that wait. */
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

export function createTurns(settings: TurnSettings): Turns {
  const { slots, slotsPerLane = slots, maxWaitingPerLane = Number.POSITIVE_INFINITY } = settings;
  /** In the order of turns: a lane that was served goes to the end. */
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

  /** For a turn that ended one other begins, of the lane that was served the longest ago. */
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

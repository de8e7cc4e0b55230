import { sleep } from "../wait.ts";

/** Decides when a pass is due, and the reason. */
export interface PassSchedule {
  wake(reason: string): void;
  /** Returns the reason for a new leader's first pass. */
  begin(): string;
  /** Waits until the pass after the pass for `reason` is due. Returns the reason. */
  next(reason: string, signal: AbortSignal): Promise<string>;
}

export interface PassScheduleSettings {
  intervalMs: number;
  graceMs: number;
}

/** Schedules passes at the interval, on wake, and once more after a wake, when jobs that were too young have aged. */
export function createPassSchedule({ intervalMs, graceMs }: PassScheduleSettings): PassSchedule {
  let wakeUp = new AbortController();
  let requestedReason: string | undefined;

  function takeReason(defaultReason: string): string {
    const reason = requestedReason ?? defaultReason;
    requestedReason = undefined;
    return reason;
  }

  return {
    wake(reason) {
      requestedReason = reason;
      wakeUp.abort();
    },
    begin: () => takeReason("leading"),
    async next(reason, signal) {
      const isRoutine = reason === "interval" || reason === "grace";
      wakeUp = new AbortController();
      const ms = isRoutine ? intervalMs : Math.min(graceMs, intervalMs);
      if (requestedReason === undefined) await sleep(ms, signal, wakeUp.signal);
      return takeReason(isRoutine ? "interval" : "grace");
    },
  };
}

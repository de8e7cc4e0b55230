import { pause } from "../worker/pause.ts";

/** When a pass is due, and why. */
export interface PassSchedule {
  wake(reason: string): void;
  /** Why the first pass of a leader is made. */
  begin(): string;
  /** Waits until the pass after the one that was made for `reason` is due. */
  next(reason: string, signal: AbortSignal): Promise<string>;
}

export interface PassScheduleSettings {
  intervalMs: number;
  graceMs: number;
}

/** At the interval, when woken, and once more when what was too young for a pass that was called for is old enough. */
export function createPassSchedule({ intervalMs, graceMs }: PassScheduleSettings): PassSchedule {
  let alarm = new AbortController();
  let woken: string | undefined;

  function take(otherwise: string): string {
    const reason = woken ?? otherwise;
    woken = undefined;
    return reason;
  }

  return {
    wake(reason) {
      woken = reason;
      alarm.abort();
    },
    begin: () => take("leading"),
    async next(reason, signal) {
      const isRoutine = reason === "interval" || reason === "grace";
      alarm = new AbortController();
      const ms = isRoutine ? intervalMs : Math.min(graceMs, intervalMs);
      if (woken === undefined) await pause(ms, signal, alarm.signal);
      return take(isRoutine ? "interval" : "grace");
    },
  };
}

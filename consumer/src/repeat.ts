import type { Logger } from "pino";
import { sleep } from "./wait.ts";

export interface RepeatSettings {
  signal: AbortSignal;
  everyMs: number;
  log: Pick<Logger, "warn">;
  /** Message of the first of several failures in a row; the others are not logged. */
  failureMessage: string;
}

/** Repeats `work`, with pauses, until the signal is aborted. Never rejects. */
export async function repeatUntilAborted(
  { signal, everyMs, log, failureMessage }: RepeatSettings,
  work: () => Promise<void>,
): Promise<void> {
  let isFailing = false;
  while (!signal.aborted) {
    try {
      await work();
      isFailing = false;
    } catch (error) {
      if (!isFailing && !signal.aborted) log.warn({ err: error }, failureMessage);
      isFailing = true;
    }
    await sleep(everyMs, signal);
  }
}

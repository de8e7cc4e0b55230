import { setTimeout as wait } from "node:timers/promises";

/** Returns whether `work` finished within the limit. */
export async function within(limitMs: number, work: Promise<unknown>): Promise<boolean> {
  const giveUp = new AbortController();
  const timeout = wait(limitMs, false, { signal: giveUp.signal }).catch(() => false);
  const isDone = await Promise.race([work.then(() => true), timeout]);
  giveUp.abort();
  return isDone;
}

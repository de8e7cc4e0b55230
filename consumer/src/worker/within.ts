import { setTimeout as wait } from "node:timers/promises";

/** Returns whether `work` finished within the limit. */
export async function isDoneWithin(limitMs: number, work: Promise<unknown>): Promise<boolean> {
  const done = new AbortController();
  const timeout = wait(limitMs, false, { signal: done.signal }).catch(() => false);
  const isDone = await Promise.race([work.then(() => true), timeout]);
  done.abort();
  return isDone;
}

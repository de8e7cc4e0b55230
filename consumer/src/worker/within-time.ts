import type { ActiveJob } from "./active-jobs.ts";
import type { HandlerOutcome } from "./run-handler.ts";

/** A run took longer than it may. */
export class TimedOut extends Error {
  override readonly name = "TimedOut";

  constructor(timeoutMs: number) {
    super(`The run took longer than ${timeoutMs} ms.`);
  }
}

/** What a handler has to give way. One that does not is left to itself, and its run has failed. */
const graceMs = 1000;

/** Tells the handler to end when its time is up. */
export async function withinTime(
  active: ActiveJob,
  timeoutMs: number | undefined,
  run: () => Promise<HandlerOutcome>,
): Promise<HandlerOutcome> {
  if (timeoutMs === undefined) return run();
  const thrown = new TimedOut(timeoutMs);
  const { promise: late, resolve } = Promise.withResolvers<HandlerOutcome>();
  const giveUp = () => resolve({ status: "failed", thrown });
  let timer = setTimeout(() => {
    active.abort(thrown);
    timer = setTimeout(giveUp, graceMs);
  }, timeoutMs);
  try {
    const ran = await Promise.race([run(), late]);
    return ran.status === "failed" && active.reason === thrown ? { status: "failed", thrown } : ran;
  } finally {
    clearTimeout(timer);
  }
}

import type { ActiveJob } from "./active-jobs.ts";
import type { HandlerOutcome } from "./run-handler.ts";

/** Abort reason: the attempt exceeded its timeout. */
export class TimedOut extends Error {
  override readonly name = "TimedOut";

  constructor(timeoutMs: number) {
    super(`The run took longer than ${timeoutMs} ms.`);
  }
}

/** Time for an aborted handler to end. A handler that does not end is abandoned, and its attempt has failed. */
const graceMs = 1000;

/** Runs a handler and aborts its signal after `timeoutMs`. */
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

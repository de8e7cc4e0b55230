import type { ActiveJob } from "./active-jobs.ts";
import type { HandlerResult } from "./run-handler.ts";

/** Abort reason: the attempt exceeded its timeout. */
export class TimedOutError extends Error {
  override readonly name = "TimedOut";

  constructor(timeoutMs: number) {
    super(`The run took longer than ${timeoutMs} ms.`);
  }
}

/** Time for an aborted handler to end. A handler that does not end is abandoned, and its attempt has failed. */
const graceMs = 1000;

/** Runs a handler and aborts its signal after `timeoutMs`. */
export async function runWithTimeout(
  active: ActiveJob,
  timeoutMs: number | undefined,
  run: () => Promise<HandlerResult>,
): Promise<HandlerResult> {
  if (timeoutMs === undefined) return run();
  const thrown = new TimedOutError(timeoutMs);
  const { promise: timedOut, resolve } = Promise.withResolvers<HandlerResult>();
  const abandon = () => resolve({ status: "failed", thrown });
  let timer = setTimeout(() => {
    active.abort(thrown);
    timer = setTimeout(abandon, graceMs);
  }, timeoutMs);
  try {
    const result = await Promise.race([run(), timedOut]);
    return result.status === "failed" && active.reason === thrown
      ? { status: "failed", thrown }
      : result;
  } finally {
    clearTimeout(timer);
  }
}

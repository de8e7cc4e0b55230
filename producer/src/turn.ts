import { setImmediate } from "node:timers/promises";

let last = Promise.resolve();

/**
 * Resolves in a turn of the event loop that is nobody else's: who processes a large input a slice a turn holds up other
 * callers for one slice, however many such inputs there are.
 */
export function nextTurn(): Promise<void> {
  last = last.then(() => setImmediate());
  return last;
}

import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";

/** A shorter slice hardly shows: a request needs about ten turns of the event loop. */
const shortMs = 5;

let last = Promise.resolve();
let busyMs = 0;

/**
 * Resolves in a turn of the event loop that is nobody else's: who processes a large input a slice a turn holds up other
 * callers for one slice, however many such inputs there are. After a long slice others have as much time as it took.
 */
export function nextTurn(): Promise<void> {
  last = last.then(async () => {
    await immediate();
    if (busyMs > shortMs) await sleep(busyMs);
    busyMs = 0;
    const startedAt = performance.now();
    // Runs when the slice lets go of the event loop.
    setImmediate(() => (busyMs = performance.now() - startedAt));
  });
  return last;
}

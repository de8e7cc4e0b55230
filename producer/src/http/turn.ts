import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";

/** Slices up to this length need no pause: a request takes about ten turns of the event loop. */
const shortMs = 5;

let last = Promise.resolve();
let busyMs = 0;

/**
 * Resolves in a turn of the event loop that no other caller gets. Work on large inputs runs one slice a turn, so that
 * other requests wait for at most one slice. After a long slice the loop is free for as long as the slice took.
 */
export function nextTurn(): Promise<void> {
  last = last.then(async () => {
    await immediate();
    if (busyMs > shortMs) await sleep(busyMs);
    busyMs = 0;
    const startedAt = performance.now();
    // Runs when the slice yields to the event loop.
    setImmediate(() => (busyMs = performance.now() - startedAt));
  });
  return last;
}

/** Runs a generator to its end, and yields to the event loop between its steps. */
export async function inTurns<Result>(steps: Generator<void, Result>): Promise<Result> {
  let step = steps.next();
  while (step.done !== true) {
    await nextTurn();
    step = steps.next();
  }
  return step.value;
}

import FakeTimers from "@sinonjs/fake-timers";

/** Runs `work` with a fake clock: timers fire in their order as soon as nothing else is ready, and move the clock. */
export async function runWithFakeClock<Result>(
  now: Date,
  work: () => Promise<Result>,
): Promise<Result> {
  const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const clock = FakeTimers.install({
    now,
    toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"],
  });
  try {
    const state = { isEnded: false };
    const working = work().finally(() => (state.isEnded = true));
    while (!state.isEnded) {
      // Callbacks that are ready run first.
      await nextTurn();
      if (!state.isEnded && clock.countTimers() > 0) await clock.nextAsync();
    }
    return await working;
  } finally {
    clock.uninstall();
  }
}

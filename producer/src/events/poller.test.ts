import { expect, test } from "bun:test";
import { createPoller } from "./poller.ts";

test("the first of failures in a row is logged, and looking goes on", async () => {
  const problems: unknown[] = [];
  const done = Promise.withResolvers<void>();
  let looks = 0;
  const looking = createPoller(
    async () => {
      looks += 1;
      if (looks === 6) done.resolve();
      if (looks !== 3) throw new Error(`look ${looks}`);
    },
    {
      everyMs: 1,
      isNeeded: () => true,
      log: { warn: (problem: unknown) => problems.push(problem) },
    },
  );
  looking.pollSoon();
  await done.promise;
  looking.close();
  expect(problems.map((problem) => (problem as { err: Error }).err.message)).toEqual([
    "look 1",
    "look 4",
  ]);
});

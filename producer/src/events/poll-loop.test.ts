import { expect, test } from "bun:test";
import { createPollLoop } from "./poll-loop.ts";

test("only the first of consecutive failures is logged, and polling continues", async () => {
  const warnings: unknown[] = [];
  const done = Promise.withResolvers<void>();
  let polls = 0;
  const loop = createPollLoop(
    async () => {
      polls += 1;
      if (polls === 6) done.resolve();
      if (polls !== 3) throw new Error(`poll ${polls}`);
    },
    {
      everyMs: 1,
      isNeeded: () => true,
      log: { warn: (warning: unknown) => warnings.push(warning) },
    },
  );
  loop.pollSoon();
  await done.promise;
  loop.close();
  expect(warnings.map((warning) => (warning as { err: Error }).err.message)).toEqual([
    "poll 1",
    "poll 4",
  ]);
});

import { expect, test } from "bun:test";
import { createPoller } from "./poller.ts";

test("only the first of consecutive failures is logged, and polling continues", async () => {
  const warnings: unknown[] = [];
  const done = Promise.withResolvers<void>();
  let polls = 0;
  const poller = createPoller(
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
  poller.pollSoon();
  await done.promise;
  poller.close();
  expect(warnings.map((warning) => (warning as { err: Error }).err.message)).toEqual([
    "poll 1",
    "poll 4",
  ]);
});

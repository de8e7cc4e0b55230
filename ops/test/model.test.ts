import { test } from "bun:test";
import fc from "fast-check";

import { agree, cancelAll, hunt, type Model, resumeAll, sequences } from "./_model.ts";
import { startStack } from "./_stack.ts";

test(
  "after random sequences of operations and faults, both stores match the model",
  async () => {
    await using stack = await startStack({ env: { WORKER_MAX_STALLED_COUNT: "100" } });
    let count = 0;
    await fc.assert(
      fc.asyncProperty(sequences(30), async (commands) => {
        count += 1;
        const model: Model = { isPaused: false, jobs: [], windows: new Map() };
        const setup = () => ({ model, real: { stack, sequence: `sequence ${count}` } });
        await fc.asyncModelRun(setup, commands);
        await resumeAll(model, stack);
        await agree(model, stack);
        await cancelAll(model, stack);
      }),
      {
        ...hunt,
        // Steps on real processes are slow: report the failing sequence without shrinking it.
        endOnFailure: true,
      },
    );
  },
  60_000 + hunt.numRuns * 10_000,
);

import { test } from "bun:test";
import fc from "fast-check";

import { endSequence } from "./_model/change.ts";
import { createModel } from "./_model/jobs.ts";
import { hunt, sequences } from "./_model/sequences.ts";
import { startWorkers } from "./_model/workers.ts";
import { startStack } from "./_stack.ts";

test(
  "after random sequences of operations and faults, both stores match the model",
  async () => {
    await using stack = await startStack({
      env: { WORKER_MAX_STALLED_COUNT: "100", ALLOW_PRIVATE_ADDRESSES: "true" },
    });
    await using workers = await startWorkers(stack);
    let count = 0;
    await fc.assert(
      fc.asyncProperty(sequences(30), async (commands) => {
        count += 1;
        const model = createModel();
        const real = { stack, workers, sequence: `sequence ${count}` };
        await fc.asyncModelRun(() => ({ model, real }), commands);
        await endSequence(model, real);
      }),
      {
        ...hunt,
        // Steps on real processes are slow: report the failing sequence without shrinking it.
        endOnFailure: true,
      },
    );
  },
  60_000 + hunt.numRuns * 20_000,
);

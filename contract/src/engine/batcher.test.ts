import { expect, test } from "bun:test";
import fc from "fast-check";
import { BatchRefused, type BatchSettings, createBatcher, runIsolating } from "./batcher.ts";

function held() {
  const batches: { entries: readonly number[]; finish(): void; fail(error: unknown): void }[] = [];
  return {
    batches,
    run: (entries: readonly number[]) => {
      const { promise, resolve, reject } = Promise.withResolvers<number[]>();
      batches.push({ entries, finish: () => resolve(entries.map((n) => n * 2)), fail: reject });
      return promise;
    },
  };
}

const settings: Omit<BatchSettings<number, number>, "run"> = {
  getBytes: () => 1,
  maxEntries: 3,
  maxBytes: 100,
  maxInFlight: 1,
  flushMs: 1_000_000,
  maxWaiting: 10,
  maxWaitingBytes: 100,
};

async function turn() {
  await new Promise((resolve) => setImmediate(resolve));
}

test("an entry beyond the maximum of waiting entries is refused, and all earlier entries get their outcomes", async () => {
  const { batches, run } = held();
  const batch = createBatcher({ ...settings, run, maxWaiting: 2 });
  const first = batch.submit(1);
  await turn();
  const waiting = [batch.submit(2), batch.submit(3)];
  await expect(batch.submit(4)).rejects.toEqual(new BatchRefused("full"));
  batches[0]?.finish();
  await first;
  await turn();
  batches[1]?.finish();
  expect(await Promise.all(waiting)).toEqual([4, 6]);
});

test("bytes limit the waiting entries, but one entry of any size is accepted", async () => {
  const { batches, run } = held();
  const batch = createBatcher({ ...settings, run, getBytes: (n) => n, maxWaitingBytes: 5 });
  const first = batch.submit(1);
  await turn();
  const large = batch.submit(50);
  await expect(batch.submit(1)).rejects.toEqual(new BatchRefused("full"));
  batches[0]?.finish();
  await first;
  await turn();
  batches[1]?.finish();
  expect(await large).toBe(100);
});

test("a refusal contains the estimated drain time, at the current rate of flushes", async () => {
  const { batches, run } = held();
  const batch = createBatcher({ ...settings, run, getBytes: (n) => n });
  const tooLarge = async () => {
    const [refused] = await Promise.allSettled([batch.submit(1000)]);
    return ((refused as PromiseRejectedResult).reason as BatchRefused).retryAfterMs;
  };
  const first = batch.submit(10);
  await turn();
  const waiting = [batch.submit(20)];
  expect(await tooLarge()).toBeUndefined();
  batches[0]?.finish();
  await first;
  await turn();
  waiting.push(batch.submit(15));
  const short = await tooLarge();
  waiting.push(batch.submit(45));
  const long = await tooLarge();
  expect((long ?? 0) / (short ?? 0)).toBeCloseTo(4);
  batches[1]?.finish();
  await turn();
  batches[2]?.finish();
  await Promise.all(waiting);
});

test("a caller whose deadline passed gets an error, and its entry is not executed if it was still waiting", async () => {
  const { batches, run } = held();
  const batch = createBatcher({ ...settings, run, timeoutMs: 10 });
  const onItsWay = batch.submit(1);
  await turn();
  const outcomes = await Promise.allSettled([onItsWay, batch.submit(2)]);
  const refused = { status: "rejected" as const, reason: new BatchRefused("timeout") };
  expect(outcomes).toEqual([refused, refused]);
  batches[0]?.finish();
  await batch.drained();
  expect(batches.map(({ entries }) => entries)).toEqual([[1]]);
});

test("the deadline of an entry that has waited elsewhere counts from there", async () => {
  const { run } = held();
  const batch = createBatcher({ ...settings, run, timeoutMs: 60_000 });
  const old = batch.submit(1, performance.now() - 60_000);
  await expect(old).rejects.toEqual(new BatchRefused("timeout"));
});

test("entries share the deferred flush, and a full batch does not wait for it", async () => {
  const flushes: (() => void)[] = [];
  const sizes: number[] = [];
  const batch = createBatcher<number, number>({
    ...settings,
    maxEntries: 3,
    defer: (flush) => flushes.push(flush),
    run: (entries) => {
      sizes.push(entries.length);
      return Promise.resolve(entries);
    },
  });
  const first = batch.submit(1);
  await Promise.resolve();
  const second = batch.submit(2);
  await Promise.resolve();
  expect(sizes).toEqual([]);
  flushes.shift()?.();
  await Promise.all([first, second, batch.submit(3), batch.submit(4), batch.submit(5)]);
  expect({ sizes, flushes }).toEqual({ sizes: [2, 3], flushes: [] });
});

test("after large batches, an entry waits for others although no batch executes", async () => {
  const sizes: number[] = [];
  const batch = createBatcher<number, number>({
    ...settings,
    flushMs: 1,
    lingerEntries: 1.5,
    run: (entries) => {
      sizes.push(entries.length);
      return Promise.resolve(entries);
    },
  });
  /** Submits entries in one turn of the event loop each. */
  const submit = async (count: number) => {
    const outcomes: Promise<number>[] = [];
    for (let n = 0; n < count; n += 1) {
      outcomes.push(batch.submit(n));
      await Promise.resolve();
    }
    await Promise.all(outcomes);
  };
  await Promise.all([batch.submit(1), batch.submit(2), batch.submit(3)]);
  // The averages so far: 1.5, 1.75, 1.375.
  for (const count of [2, 1, 2]) await submit(count);
  expect(sizes).toEqual([3, 2, 1, 1, 1]);
});

test("a failed batch fails its callers and no others", async () => {
  const { batches, run } = held();
  const batch = createBatcher({ ...settings, run });
  const first = batch.submit(1);
  await turn();
  const second = batch.submit(2);
  batches[0]?.fail(new Error("lost"));
  await expect(first).rejects.toThrow("lost");
  await turn();
  batches[1]?.finish();
  expect(await second).toBe(4);
});

test("a run that returns too few outcomes fails instead of resolving the wrong entry", async () => {
  const batch = createBatcher({ ...settings, run: async () => [1] });
  await expect(Promise.all([batch.submit(1), batch.submit(2)])).rejects.toThrow("lost outcomes");
});

test("a single entry is flushed immediately, and entries added meanwhile share the next batch", async () => {
  const { batches, run } = held();
  const batch = createBatcher({ ...settings, run });
  const all = [batch.submit(1)];
  await turn();
  all.push(batch.submit(2), batch.submit(3));
  await turn();
  expect(batches.map(({ entries }) => entries)).toEqual([[1]]);
  batches[0]?.finish();
  await turn();
  expect(batches.map(({ entries }) => entries)).toEqual([[1], [2, 3]]);
  batches[1]?.finish();
  expect(await Promise.all(all)).toEqual([2, 4, 6]);
});

test("a full batch does not wait for the batch in flight while a slot is free", async () => {
  const { batches, run } = held();
  const batch = createBatcher({ ...settings, run, maxInFlight: 2 });
  const all = [batch.submit(1)];
  await turn();
  all.push(batch.submit(2), batch.submit(3), batch.submit(4), batch.submit(5));
  await turn();
  expect(batches.map(({ entries }) => entries)).toEqual([[1], [2, 3, 4]]);
  for (const { finish } of batches) finish();
  await turn();
  batches[2]?.finish();
  await Promise.all(all);
});

test("an unfilled batch is flushed after flushMs", async () => {
  const { batches, run } = held();
  const batch = createBatcher({ ...settings, run, maxInFlight: 2, flushMs: 1 });
  const first = batch.submit(1);
  await turn();
  const second = batch.submit(2);
  while (batches.length < 2) await turn();
  for (const { finish } of batches) finish();
  expect(await Promise.all([first, second])).toEqual([2, 4]);
});

test("every submitted entry gets one outcome, in batches within their limits", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ size: fc.integer({ min: 1, max: 40 }), pause: fc.boolean() })),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 3 }),
      async (entries, maxEntries, maxInFlight) => {
        let inFlight = 0;
        const batch = createBatcher<{ id: number; size: number }, number>({
          ...settings,
          maxEntries,
          maxInFlight,
          maxBytes: 30,
          flushMs: 0,
          maxWaiting: 1000,
          maxWaitingBytes: 100_000,
          getBytes: (entry) => entry.size,
          async run(part) {
            inFlight += 1;
            expect(inFlight).toBeLessThanOrEqual(maxInFlight);
            expect(part.length).toBeLessThanOrEqual(maxEntries);
            const bytes = part.reduce((sum, entry) => sum + entry.size, 0);
            expect(part.length === 1 || bytes <= 30).toBe(true);
            await turn();
            inFlight -= 1;
            return part.map((entry) => entry.id);
          },
        });
        const answers: Promise<number>[] = [];
        for (const [id, { size, pause }] of entries.entries()) {
          answers.push(batch.submit({ id, size }));
          if (pause) await turn();
        }
        expect(await Promise.all(answers)).toEqual(entries.map((_, id) => id));
        await batch.drained();
        expect(batch.waiting).toBe(0);
      },
    ),
    { numRuns: 50 },
  );
});

test("isolating finds every faulty entry and runs all the others", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.integer(), { minLength: 1 }), async (entries) => {
      const isFaulty = (n: number) => n % 3 === 0;
      const outcomes = await runIsolating(
        entries,
        async (part) => {
          if (part.some(isFaulty)) throw new RangeError("fault");
          return part.map(String);
        },
        (error) => error instanceof RangeError,
        (entry) => `faulted ${entry}`,
      );
      expect(outcomes).toEqual(entries.map((n) => (isFaulty(n) ? `faulted ${n}` : String(n))));
    }),
  );
});

test("isolating lets any other error through", async () => {
  const lost = runIsolating(
    [1, 2],
    () => Promise.reject(new Error("lost")),
    () => false,
    String,
  );
  await expect(lost).rejects.toThrow("lost");
});

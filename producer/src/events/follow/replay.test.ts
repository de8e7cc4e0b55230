import { expect, test } from "bun:test";
import type { StreamEntry } from "@toril/contract/engine/redis/event-stream";
import { createTurns } from "@toril/contract/engine/turns";
import type { EventSink } from "../event-stream.ts";
import { createReplay } from "./replay.ts";

const entryAt = (n: number): StreamEntry => ({
  queue: "default",
  position: `${n}-0`,
  event: "waiting",
  bullId: "a",
  fields: {},
});

/** Safe cast: the tests use only these members. */
const sink = { isOpen: true, drained: async () => {} } as EventSink;

test("long replays of one tenant run in slices between other tenants and other work", async () => {
  let running = 0;
  let maxRunning = 0;
  let slices = 0;
  const replay = createReplay({
    readEdges: async () => ({ first: "1-0", last: "5000-0", isTrimmed: false }),
    async readRange(_queue, [from, to], count) {
      running += 1;
      maxRunning = Math.max(maxRunning, running);
      slices += 1;
      const start = Number.parseInt(from) + 1;
      const length = Math.max(0, Math.min(count, Number.parseInt(to) - start + 1));
      return Array.from({ length }, (_, n) => entryAt(start + n));
    },
    async mapToEvents(entries) {
      await Promise.resolve();
      running -= 1;
      return entries.map(() => undefined);
    },
    turns: createTurns({ slots: 1 }),
  });
  const ended: string[] = [];
  const replayTo = async (tenant: string, to: number) => {
    const request = { tenant, queue: "default", from: "0-0", to: `${to}-0`, sink, send() {} };
    await replay(request, () => {});
    ended.push(tenant);
  };
  let isOtherWorkDone = false;
  let slicesBefore = 0;
  setImmediate(() => {
    isOtherWorkDone = true;
    slicesBefore = slices;
  });
  await Promise.all([...Array.from({ length: 20 }, () => replayTo("a", 5000)), replayTo("b", 500)]);
  expect(maxRunning).toBe(1);
  expect(ended[0]).toBe("b");
  expect(isOtherWorkDone).toBe(true);
  expect(slicesBefore).toBeLessThan(5);
  expect(slices).toBeGreaterThan(1000);
});

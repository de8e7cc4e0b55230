import { expect, test } from "bun:test";
import { bullId, settledReturnValue } from "@toril/contract/engine/redis/names";
import type { StreamEntry } from "@toril/contract/engine/redis/event-stream";
import pino from "pino";
import { _openIdleSource } from "../../../test/_events.ts";
import { createEventHub } from "./event-hub.ts";
import type { JobOutcome, ReadOutcomes } from "./event-mapper.ts";

const id = "019c2f1e-7b1a-7c3d-8a4e-000000000001";
const awaitedBullId = bullId(id, 1);

/** Opens a hub with a wait for generation 1 of a job; `send` delivers an entry and waits until the hub reads the next. */
async function _openWait(readOutcomes: ReadOutcomes) {
  const pushes: ((entries: StreamEntry[]) => void)[] = [];
  let onRead = () => {};
  const nextRead = () => new Promise<void>((resolve) => (onRead = resolve));
  const hub = createEventHub({
    queues: () => ["default"],
    open: () => ({
      read: () =>
        new Promise<StreamEntry[]>((resolve) => {
          pushes.push(resolve);
          onRead();
        }),
      close: () => pushes.at(-1)?.([]),
    }),
    readEdges: async () => ({ first: undefined, last: "0-0", isTrimmed: false }),
    readOutcomes,
    readFailedAttempts: async () => [],
    log: pino({ enabled: false }),
  });
  let ends = 0;
  await hub.subscribeWithPositions({
    queues: ["default"],
    jobId: id,
    awaitedBullId,
    receive() {},
    end: () => void (ends += 1),
  });
  if (pushes.length === 0) await nextRead();
  return {
    async send(event: string, entryId: string, returnvalue: string) {
      const reading = nextRead();
      const fields = { returnvalue: JSON.stringify(returnvalue) };
      pushes.at(-1)?.([{ queue: "default", position: "1-1", event, bullId: entryId, fields }]);
      await reading;
    },
    countEnds: () => ends,
    [Symbol.asyncDispose]: () => hub.close(),
  };
}

test("a wait ends when a Toril worker has completed the job, without a read of Postgres", async () => {
  // After an entry that needs a read, no other entry would be delivered.
  await using wait = await _openWait(() => new Promise(() => {}));
  await wait.send("waiting", awaitedBullId, "");
  await wait.send("active", awaitedBullId, "");
  expect(wait.countEnds()).toBe(0);
  await wait.send("completed", awaitedBullId, settledReturnValue);
  expect(wait.countEnds()).toBe(1);
});

test("a wait continues after a completion by a stock worker or of an earlier generation, unless Postgres has the outcome", async () => {
  const read: string[] = [];
  await using wait = await _openWait(async (ids) => {
    read.push(...ids);
    return [];
  });
  await wait.send("completed", bullId(id, 0), settledReturnValue);
  await wait.send("completed", awaitedBullId, "of a stock worker");
  expect(wait.countEnds()).toBe(0);
  expect(read).toContain(id);
});

test("a subscription that fails is ended, and later ones still get the end of their jobs", async () => {
  const ids = [id, id.replace(/1$/, "2")];
  await using hub = Object.assign(
    createEventHub({
      queues: () => ["default"],
      open: _openIdleSource,
      readEdges: async () => ({ first: undefined, last: "0-0", isTrimmed: false }),
      readOutcomes: async (requested) => ids.filter((one) => requested.includes(one)).map(_toDone),
      readFailedAttempts: async () => [],
      log: pino({ enabled: false }),
      pollEveryMs: 1,
    }),
    { [Symbol.asyncDispose]: () => hub.close() },
  );
  let ended = 0;
  const received = Promise.withResolvers<string>();
  hub.subscribe({
    queues: ["default"],
    jobId: ids[0]!,
    receive() {
      throw new TypeError("the controller is closed");
    },
    end: () => void (ended += 1),
  });
  hub.subscribe({
    queues: ["default"],
    jobId: ids[1]!,
    receive: ({ status }) => received.resolve(status),
    end() {},
  });
  expect(await received.promise).toBe("completed");
  expect(ended).toBeGreaterThan(0);
});

function _toDone(jobId: string): JobOutcome {
  return {
    id: jobId,
    tenant: "default",
    type: "echo",
    queue: "default",
    importId: null,
    status: "completed",
    generation: 0,
    attempts: 1,
    error: null,
  };
}

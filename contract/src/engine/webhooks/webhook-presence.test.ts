import { expect, test } from "bun:test";
import { createWebhookPresence } from "./webhook-presence.ts";

/** Creates a presence whose reads a test answers one by one. */
function _watch() {
  const reads: PromiseWithResolvers<boolean>[] = [];
  let time = 0;
  const presence = createWebhookPresence({
    pollMs: 0,
    now: () => time,
    read() {
      const read = Promise.withResolvers<boolean>();
      reads.push(read);
      return read.promise;
    },
  });
  const nextRead = async () => {
    while (reads.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return reads.shift()!;
  };
  return {
    presence,
    setTime: (ms: number) => (time = ms),
    async answer(exists: boolean | Error) {
      const read = await nextRead();
      if (exists instanceof Error) read.reject(exists);
      else read.resolve(exists);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("a webhook may exist unless a read within the last 2 s found none", async () => {
  const { presence, setTime, answer } = _watch();
  expect(presence.mayExist).toBe(true);
  presence.start();
  await answer(false);
  expect(presence.mayExist).toBe(false);
  setTime(2000);
  expect(presence.mayExist).toBe(false);
  await answer(new Error("Postgres is unavailable"));
  setTime(2001);
  expect(presence.mayExist).toBe(true);
  await answer(false);
  expect(presence.mayExist).toBe(false);
  await answer(true);
  expect(presence.mayExist).toBe(true);
  await answer(true);
});

test("the age of an answer counts from the start of its read", async () => {
  const { presence, setTime, answer } = _watch();
  presence.start();
  setTime(3000);
  await answer(false);
  expect(presence.mayExist).toBe(true);
});

import { expect, test } from "bun:test";
import { BatchRefused } from "@toril/contract/engine/batcher";
import { type Admission, createAdmission } from "./admission.ts";

const open = { kind: "open", tenant: "default" } as const;
const [a, b] = [
  { kind: "key", tenant: "a" },
  { kind: "key", tenant: "b" },
] as const;
/** Together with the overhead of a request, 10,000 bytes. */
const bytes = 9000;

function _open(minInProgress: number) {
  const clock = { time: 0 };
  const admission = createAdmission({ maxWaitMs: 100, minInProgress, now: () => clock.time });
  return { clock, admission };
}

/** Adds requests in progress and returns how to complete them. */
function _add(admission: Admission, caller: typeof open | typeof a | typeof b, count: number) {
  return Array.from({ length: count }, () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const done = admission.track(caller, bytes, promise);
    return {
      complete: () => (resolve(), done),
      fail: () => (reject(new Error("failed")), done.catch(() => {})),
    };
  });
}

function _refusal(admit: () => void): number | undefined {
  try {
    admit();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(BatchRefused);
    return (error as BatchRefused).retryAfterMs;
  }
}

test("as many bytes are admitted as drain in time, at the measured rate", async () => {
  const { clock, admission } = _open(2);
  const [first, second, ...others] = _add(admission, open, 10);
  // At the assumed rate, 10 ms each.
  expect(_refusal(() => admission.refuseIfLate(open, bytes))).toBe(10);
  clock.time = 48;
  await first!.complete();
  await second!.complete();
  // Now 24 ms each: four requests drain in time.
  for (const one of others.splice(0, 5)) await one.fail();
  expect(_refusal(() => admission.refuseIfLate(open, bytes))).toBeUndefined();
  _add(admission, open, 1);
  expect(admission.findRetryMs(bytes)).toBeGreaterThan(23);
});

test("refused requests get later and later times, up to ten seconds", () => {
  const { clock, admission } = _open(2);
  _add(admission, open, 10);
  expect([1, 2, 3].map(() => admission.findRetryMs(bytes))).toEqual([10, 20, 30]);
  for (let count = 0; count < 2000; count += 1) admission.findRetryMs(bytes);
  expect(admission.findRetryMs(bytes)).toBe(10_000);
  clock.time = 10_000;
  expect(admission.findRetryMs(bytes)).toBe(10_000);
});

test("a tenant gets half of the capacity, and others the rest", async () => {
  const { admission } = _open(2);
  const [first] = _add(admission, a, 5);
  expect(_refusal(() => admission.refuseIfLate(a, bytes))).toBe(10);
  expect(_refusal(() => admission.refuseIfLate(b, bytes))).toBeUndefined();
  await first!.fail();
  expect(_refusal(() => admission.refuseIfLate(a, bytes))).toBeUndefined();
});

test("few requests in progress are admitted whatever their size and age", () => {
  const { clock, admission } = _open(2);
  _add(admission, a, 1);
  clock.time = 100_000;
  expect(_refusal(() => admission.refuseIfLate(a, 32_000_000))).toBeUndefined();
  expect(admission.findRetryMs(32_000_000)).toBeUndefined();
});

test("requests are refused while those in progress do not complete", async () => {
  const { clock, admission } = _open(2);
  const [first] = _add(admission, open, 3);
  clock.time = 301;
  expect(_refusal(() => admission.refuseIfLate(open, bytes))).toBe(301);
  await first!.fail();
  // The last two are as old, but one request may be large.
  const [last] = _add(admission, open, 1);
  expect(_refusal(() => admission.refuseIfLate(open, bytes))).toBe(301);
  await last!.fail();
});

import { expect, test } from "bun:test";
import { BatchRefused } from "@toril/contract/engine/batcher";
import { createAdmission } from "./admission.ts";

test("requests are refused while too many others take too long, and accepted again when those end", async () => {
  let time = 0;
  const admission = createAdmission({ maxAgeMs: 100, minLate: 2, now: () => time });
  const work = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const done = work.map(({ promise }, index) => {
    time = index * 10;
    return admission.track(promise);
  });
  time = 110;
  // One request is late, but it may be a large one.
  expect(() => admission.refuseIfLate()).not.toThrow();
  time = 130;
  expect(() => admission.refuseIfLate()).toThrow(new BatchRefused("full"));
  try {
    admission.refuseIfLate();
  } catch (error) {
    expect((error as BatchRefused).retryAfterMs).toBe(120);
  }
  work[0]?.resolve();
  await done[0];
  work[1]?.reject(new Error("failed"));
  await expect(done[1]).rejects.toThrow("failed");
  expect(() => admission.refuseIfLate()).not.toThrow();
  work[2]?.resolve();
  await done[2];
});

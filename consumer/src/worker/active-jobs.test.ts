import { describe, expect, test } from "bun:test";
import { createActiveJobs } from "./active-jobs.ts";

const reason = new Error("stop");

describe("active jobs", () => {
  test("are aborted, whether they read the signal before or after, or begin later", () => {
    const activeJobs = createActiveJobs();
    const [early, late] = [activeJobs.begin("q", "1"), activeJobs.begin("q", "2")];
    const signal = early.signal;
    expect([signal.aborted, early.isAborted, late.isAborted]).toEqual([false, false, false]);

    activeJobs.abortAll(reason);

    const later = activeJobs.begin("q", "3");
    for (const job of [early, late, later]) {
      expect([job.isAborted, job.signal.aborted, job.signal.reason]).toEqual([true, true, reason]);
    }
    expect(early.signal).toBe(signal);
  });

  test("are idle when the last job has ended", async () => {
    const activeJobs = createActiveJobs();
    await activeJobs.waitUntilIdle();
    const [one, other] = [activeJobs.begin("q", "4"), activeJobs.begin("q", "5")];
    let isIdle = false;
    const idle = activeJobs.waitUntilIdle().then(() => (isIdle = true));

    activeJobs.end(one);
    await Promise.resolve();
    expect([activeJobs.size, isIdle]).toEqual([1, false]);
    activeJobs.end(other);

    expect(await idle).toBe(true);
    expect(activeJobs.size).toBe(0);
  });
});

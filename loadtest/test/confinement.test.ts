import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startChild } from "../../ops/dev/processes/child.ts";
import { until } from "../../ops/dev/until.ts";
import { confine } from "../confined/confine.ts";

test("a process in the control group is limited and measured, and ends with its group", async () => {
  const dir = mkdtempSync(join(tmpdir(), "toril-confined-"));
  const confinement = confine({ cpus: 2, memoryBytes: 2 ** 28 });
  const child = await startChild({
    name: "inside",
    ...confinement.enter("sh", ["-c", 'echo ready >"$0" && exec tail -f /dev/null', `${dir}/file`]),
    logFile: join(dir, "log"),
    stopMs: 10_000,
  });
  try {
    const isReady = async () => existsSync(`${dir}/file`) || undefined;
    await until("it runs", isReady, { timeoutMs: 10_000 });
    const { describe, read } = confinement.measure(child.pid);
    // On machines without control groups, the description says so.
    if (describe().startsWith("NOT confined")) return;
    const group = readFileSync(`/proc/${child.pid}/cgroup`, "utf8");
    expect(group).not.toBe(readFileSync("/proc/self/cgroup", "utf8"));
    expect(describe()).toStartWith("2 CPUs and 0.25 GB of memory");
    const usage = read();
    expect(usage.cpuUs).toBeGreaterThan(0);
    expect(usage.anonymousBytes).toBeWithin(1, 2 ** 28);

    await confinement[Symbol.asyncDispose]();
    expect(await child.exited).toEqual({ code: null, signal: "SIGKILL" });
  } finally {
    await child.stop();
    rmSync(dir, { recursive: true });
  }
});

import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Results } from "../compare/results.ts";

const root = join(import.meta.dir, "../..");

test("the benchmark measures the chosen parts and settles every accepted job", async () => {
  const out = mkdtempSync(join(tmpdir(), "toril-bench-test-"));
  // The peers' packages need a registry; BullMQ is in the workspace.
  const args = ["--quick", "--parts", "e2e", "--targets", "toril,hono-row", "--out", out];
  const bench = Bun.spawn([process.execPath, "loadtest/compare/bench.ts", ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    const progress = new Response(bench.stderr).text();
    expect(await bench.exited, await progress).toBe(0);

    const { parts } = JSON.parse(
      readFileSync(join(out, "results/results.json"), "utf8"),
    ) as Results;
    expect(parts.map(({ part }) => part)).toEqual(["e2e"]);
    const page = readFileSync(join(out, "results.md"), "utf8");
    for (const { part, series } of parts) {
      expect(series.map(({ target, variant }) => `${target} ${variant}`)).toEqual([
        "toril 64 connections",
        "hono-row 64 connections",
        "toril 256 connections",
        "hono-row 256 connections",
      ]);
      for (const { samples, title, variant } of series) {
        expect(samples).toHaveLength(1);
        const [{ jobs, accepted, settled, errors, cpuUs } = fail(part)] = samples;
        expect(jobs).toBeGreaterThan(0);
        expect({ accepted, errors }).toEqual({ accepted: jobs, errors: 0 });
        expect(settled).toBe(jobs);
        expect(cpuUs?.producer).toBeGreaterThan(0);
        expect(page).toContain(`| ${title}, ${variant} |`);
      }
      expect(page).toContain(`](results/${part}.svg)`);
      expect(readFileSync(join(out, `results/${part}.svg`), "utf8")).toEndWith("</svg>\n");
    }
  } finally {
    bench.kill();
    await bench.exited;
    rmSync(out, { recursive: true });
  }
}, 600_000);

function fail(part: string): never {
  throw new Error(`no sample of ${part}`);
}

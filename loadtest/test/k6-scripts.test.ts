import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { shippedApi } from "../../contract/test/_job-types.ts";
import { loadScript, type Script } from "./_k6.ts";

const folder = join(import.meta.dir, "..");
const names = readdirSync(folder).filter((file) => file.endsWith(".js"));
const parts = readdirSync(join(folder, "k6")).map((file) => join("k6", file));
const readme = readFileSync(join(folder, "README.md"), "utf8");

test("the README lists all scripts", () => {
  const listed = readme.matchAll(/^\| `(\w+\.js)` \|/gm);
  expect(namesIn(listed)).toEqual(names.toSorted());
});

test("the README lists all variables", () => {
  const sources = [...names, ...parts].map((file) => readFileSync(join(folder, file), "utf8"));
  const read = sources.join("\n").matchAll(/\b(?:variable|number)\("([A-Z0-9_]+)"/g);
  const listed = readme.matchAll(/^\| `([A-Z0-9_]+)` \|/gm);
  expect(namesIn(listed)).toEqual(namesIn(read));
});

test("every request matches an operation of the API", async () => {
  const { names: requests } = await loadScript<{ names: Record<string, string> }>(
    join(folder, "k6/requests.js"),
  );
  const operations = Object.values(shippedApi).map(
    ({ method, path }) => `${method.toUpperCase()} ${path}`,
  );
  expect(operations).toEqual(expect.arrayContaining(Object.values(requests)));
});

describe.each(names)("%s", (name) => {
  const path = join(folder, name);

  test("runs exported functions at the requested rate and duration", async () => {
    const script = await loadScript<Script>(path, { RATE: "2000", DURATION: "10s" });
    const scenarios = Object.values(script.options.scenarios);
    for (const { exec } of scenarios) expect(script).toHaveProperty(exec, expect.any(Function));
    expect(scenarios.map(jobsPerSecond).reduce((sum, rate) => sum + rate, 0)).toBe(2000);
    expect(scenarios.map(seconds)).toEqual(scenarios.map(() => 10));
  });

  test("fails unless every response is correct and every accepted job is settled", async () => {
    const { options } = await loadScript<Script>(path);
    expect(options.thresholds).toMatchObject({
      checks: ["rate==1"],
      http_req_failed: ["rate==0"],
      jobs_unaccounted: ["count==0"],
    });
  });

  test("refuses an invalid rate", async () => {
    await expect(loadScript(path, { RATE: "fast" })).rejects.toThrow("RATE must be a whole number");
    await expect(loadScript(path, { DURATION: "soon" })).rejects.toThrow("DURATION must look like");
  });
});

function namesIn(matches: Iterable<RegExpExecArray>): string[] {
  return [...new Set([...matches].map(([, name]) => name ?? ""))].toSorted();
}

function jobsPerSecond({ rate, stages = [] }: Script["options"]["scenarios"][string]): number {
  return rate ?? Math.max(...stages.map(({ target }) => target));
}

function seconds({ duration = "", stages }: Script["options"]["scenarios"][string]): number {
  const durations = stages?.map((stage) => stage.duration) ?? [duration];
  return durations.reduce((sum, part) => sum + Number.parseInt(part, 10), 0);
}

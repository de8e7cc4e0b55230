import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";

import { defaultFor, readsVariable, type Program } from "../dev/checks/configuration.ts";
import { readVariables } from "./_manifests.ts";
import { root } from "./_stack.ts";

const folder = join(root, "ops/systemd");
const units: [file: string, program: Program, instance: string][] = [
  ["toril-producer@.service", "producer", "toril-producer@3000.service"],
  ["toril-consumer@.service", "consumer", "toril-consumer@1.service"],
  ["toril-migrate.service", "migrate", "toril-migrate.service"],
];
const hasSystemd = Bun.which("systemd-analyze") !== null;

test.each(units)(
  "%s sets only variables that its program reads, and loads the credentials that they name",
  (file, program) => {
    const unit = readUnit(file);
    const variables = getVariables(unit);
    // Bun's own are read before the program.
    const unread = (name: string) => !name.startsWith("BUN_") && !readsVariable(program, name);
    expect(Object.keys(variables).filter(unread)).toEqual([]);
    const credentials = unit("LoadCredential").map((one) => one.slice(0, one.indexOf(":")));
    const files = Object.values(variables).filter((value) => value.startsWith("%d/"));
    expect(files.toSorted()).toEqual(credentials.map((name) => `%d/${name}`).toSorted());
    for (const store of ["DATABASE_URL", "REDIS_URL"]) {
      expect(`${store}_FILE` in variables).toBe(readsVariable(program, store));
    }
  },
);

test.each(units)("%s starts existing programs", (file) => {
  const words = readUnit(file)("ExecStart").flatMap((line) => line.split(" "));
  for (const path of words.filter((word) => !word.startsWith("--"))) {
    expect(existsSync(join(root, path.replace("/opt/toril/", "")))).toBe(true);
  }
});

test.each(units.slice(0, 2))("%s is not killed while it drains", (file, program) => {
  const unit = readUnit(file);
  const drainMs = Number(getVariables(unit)["DRAIN_MS"] ?? defaultFor(program, "DRAIN_MS"));
  expect(Number(unit("TimeoutStopSec")[0]) * 1000).toBeGreaterThanOrEqual(drainMs + 4000);
});

test("all units have the same hardening", () => {
  const [first, ...others] = units.map(
    ([file]) => /^CapabilityBoundingSet=.*?^UMask=0077$/ms.exec(readText(file))?.[0],
  );
  expect(first).toContain("ProtectSystem=strict");
  expect(others).toEqual([first, first]);
});

test.skipIf(!hasSystemd)("systemd-analyze finds nothing wrong", () => {
  const dir = mkdtempSync(join(tmpdir(), "toril-units-"));
  try {
    const texts = [...units, ["toril.target", "", "toril.target"] as const];
    for (const [file, , name] of texts) {
      writeFileSync(join(dir, name), readText(file).replaceAll("/opt/toril", root.slice(0, -1)));
    }
    const paths = texts.map(([, , name]) => join(dir, name));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...paths], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

type Unit = (key: string) => string[];

function readText(file: string): string {
  return readFileSync(join(folder, file), "utf8");
}

function readUnit(file: string): Unit {
  const lines = readText(file).split("\n");
  return (key) =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
}

function getVariables(unit: Unit): Record<string, string> {
  const files = unit("EnvironmentFile").map((path) => path.replace("-/etc/toril/", ""));
  const lines = files.flatMap((file) => readText(file).split("\n"));
  return readVariables([...lines, ...unit("Environment")]);
}

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { type FileName, writeDataFile } from "../imports/files.ts";
import { type Kill, runImport } from "../imports/run-import.ts";
import { type ImportStack, startImportStack } from "../imports/stack.ts";

const root = join(import.meta.dir, "../..");
const dir = mkdtempSync(join(tmpdir(), "toril-imports-test-"));
let stack: ImportStack;

beforeAll(async () => {
  // Postgres may have to run as another user.
  chmodSync(dir, 0o711);
  stack = await startImportStack({
    root,
    dir,
    producers: 2,
    consumers: 1,
    signal: new AbortController().signal,
    // The test kills processes, never the machine.
    postgresSettings: {
      template: process.env["TEST_POSTGRES_TEMPLATE"],
      settings: { fsync: "off" },
    },
  });
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

const kills: Kill[] = [
  { at: 0.3, victim: "client" },
  { at: 0.6, victim: 0 },
];

const cases: [FileName, Kill[]][] = [
  ["flights-200k", kills],
  ["zipcodes", []],
];

test.each(cases)(
  "%s is imported once through the balancer, and the ledger reproduces the file",
  async (name, kills) => {
    const file = writeDataFile(name, dir, 2000);
    // The command runs until all jobs are done, so it cannot end before the last kill.
    await control("pause");
    const { imported, killed } = await runImport(stack, {
      file,
      parallel: 8,
      partBytes: 4000,
      kills,
      onKilled: () => control("resume"),
    });
    expect(killed).toHaveLength(kills.length);
    expect(imported.parts?.received).toBeGreaterThan(10);
  },
);

async function control(action: "pause" | "resume") {
  const response = await fetch(`${stack.url}/v1/queues/imports/${action}`, { method: "POST" });
  expect(response.status).toBe(200);
}

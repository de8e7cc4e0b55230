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
    postgresTemplate: process.env["TEST_POSTGRES_TEMPLATE"],
  });
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

const kills: Kill[] = [
  { at: 0.2, victim: "client" },
  { at: 0.4, victim: 0 },
  { at: 0.6, victim: "client" },
];

test.each(["zipcodes"] satisfies FileName[])(
  "%s is imported once through the balancer while client and producer are killed",
  async (name) => {
    const file = writeDataFile(name, dir, 4000);
    // The command runs until all jobs are done, so it cannot end before the last kill.
    await control("pause");
    const { imported, killed } = await runImport(stack, {
      file,
      parallel: 8,
      partBytes: 2000,
      kills,
      onKilled: () => control("resume"),
    });
    expect(killed).toHaveLength(kills.length);
    expect(imported.parts?.received).toBeGreaterThan(20);
  },
);

async function control(action: "pause" | "resume") {
  const response = await fetch(`${stack.url}/v1/queues/imports/${action}`, { method: "POST" });
  expect(response.status).toBe(200);
}

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { runProgram } from "../../ops/dev/run-program.ts";
import { confine } from "./confine.ts";
import { findK6, inspect, runK6 } from "./k6.ts";
import { startMeter } from "./meter.ts";
import { type ConfinedOptions, parseOptions, usage } from "./options.ts";
import { renderCosts } from "./report.ts";
import { startStack } from "./stack.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const limits = { cpus: 2, memoryBytes: 4 * 2 ** 30 };

/** @returns whether all thresholds of the script were met */
async function run(options: ConfinedOptions, stop: AbortController): Promise<boolean> {
  const { script, load, producers, consumers } = options;
  const { signal } = stop;
  const k6 = findK6();
  inspect(k6, root, script, load);
  await using opened = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "toril-k6-"));
  opened.defer(() => rmSync(dir, { recursive: true, force: true }));
  const { enter, measure } = opened.use(confine(limits));

  console.log("Starting the stack");
  const stack = opened.use(await startStack({ root, producers, consumers, enter, stop }));
  const { describe, read } = measure(stack.pid);
  console.log(`Limits: ${describe()}`);
  using meter = startMeter(read);

  console.log(`k6 run loadtest/${script}.js (k6 is not confined)`);
  const env = { ...load, BASE_URL: stack.url, API_KEY: "" };
  const summaryFile = join(dir, "summary.json");
  const result = await runK6({ k6, root, script, env, summaryFile, signal });
  console.log(`  ${renderCosts(result, meter)}`);
  signal.throwIfAborted();
  return result.isGreen;
}

await runProgram({ usage, parse: parseOptions, run });

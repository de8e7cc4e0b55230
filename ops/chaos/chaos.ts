import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { runProgram } from "../dev/run-program.ts";
import { measureIsolation } from "./isolation/isolation.ts";
import { chaosUsage, parseChaosOptions, type ChaosOptions } from "./options.ts";
import { measureOverload } from "./isolation/overload.ts";
import { renderChaos, renderIsolation, renderOverload, writeSection } from "./report.ts";
import { isPassed, runChaos } from "./run.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** @returns whether every guarantee held */
async function injectFaults(options: ChaosOptions, report: string, signal: AbortSignal) {
  for (const topology of options.topologies) {
    const result = await runChaos({
      root,
      topology,
      seed: options.seed,
      durationMs: options.minutes * 60_000,
      minAcknowledged: options.jobs,
      pauseMs: 6000,
      holdMs: [1000, 6000],
      backlog: options.backlog,
      bulkSize: 1000,
      importRows: 10_000,
      abandonMs: 60_000,
      ...(options.kinds && { kinds: options.kinds }),
      print: console.log,
      signal,
    });
    signal.throwIfAborted();
    const section = renderChaos(result);
    console.log(`\n${section}\n`);
    if (report !== "") writeSection(report, topology, section);
    if (isPassed(result)) continue;
    console.error(JSON.stringify(result.violations.slice(0, 5), undefined, 2));
    console.error(`A guarantee was broken. Logs and evidence: ${result.dump}`);
    return false;
  }
  return true;
}

async function runMeasurements(
  root: string,
  { phaseSeconds, misbehaviour: only }: ChaosOptions,
  report: string,
  signal: AbortSignal,
) {
  const phaseMs = phaseSeconds * 1000;
  const isolation = await measureIsolation({ root, phaseMs, only, print: console.log, signal });
  signal.throwIfAborted();
  if (only !== undefined) return true;
  const overload = await measureOverload({ root, phaseMs, print: console.log });
  const sections = [
    ["isolation", renderIsolation(isolation)],
    ["overload", renderOverload(overload)],
  ] as const;
  for (const [name, section] of sections) {
    console.log(`\n${section}\n`);
    if (report !== "") writeSection(report, name, section);
  }
  return true;
}

await runProgram({
  usage: chaosUsage,
  parse: parseChaosOptions,
  run(options, { signal }) {
    const report = options.report ?? join(root, "ops/chaos/report.md");
    return options.isIsolation
      ? runMeasurements(root, options, report, signal)
      : injectFaults(options, report, signal);
  },
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { startGenerator } from "./generator.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { renderReport, type Series } from "./report.ts";
import { type RoundSettings, runRound } from "./round.ts";
import { startStores } from "./stores.ts";
import { startTarget, type Target } from "./targets.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const warmUpSeconds = 2;

async function bench(options: BenchOptions, signal: AbortSignal): Promise<string> {
  await using resources = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "toril-bench-"));
  resources.defer(() => rmSync(dir, { recursive: true, force: true }));
  const stores = resources.use(await startStores(dir, signal));
  const targets: Target[] = [];
  for (const name of options.only) {
    targets.push(resources.use(await startTarget(name, { root, dir, stores, signal })));
  }
  const generator = resources.use(startGenerator());
  const { bodyBytes, rounds, secondsPerRound } = options;

  async function round(target: Target, connections: number, seconds: number) {
    const settings: RoundSettings = { target, stores, generator, connections, bodyBytes, seconds };
    const result = await Promise.race([runRound(settings), aborted(signal)]);
    const speed = `${result.jobsPerSecond.toFixed(0)} jobs/s`;
    const costs = `${result.cpuUs.all.toFixed(0)} µs of CPU per job`;
    console.error(`${target.name}, ${connections} connections: ${speed}, ${costs}`);
    return result;
  }

  const series: Series[] = [];
  for (const connections of options.connections) {
    const own = targets.map((target): Series => ({ target, connections, rounds: [] }));
    series.push(...own);
    for (const { target } of own) await round(target, connections, warmUpSeconds);
    console.error("warm-up done; measuring");
    for (let count = 0; count < rounds; count += 1) {
      for (const { target, rounds } of own) {
        rounds.push(await round(target, connections, secondsPerRound));
      }
    }
  }
  return renderReport(series);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}

try {
  const options = parseOptions(process.argv.slice(2));
  console.log(options === undefined ? usage : await bench(options, stop.signal));
} catch (error) {
  console.error(stop.signal.aborted ? (stop.signal.reason as Error).message : error);
  process.exitCode = 1;
}

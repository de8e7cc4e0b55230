import { mkdtempSync, rmSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { runProgram } from "../../ops/dev/run-program.ts";
import { startGenerator } from "./generator.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import type { Bench } from "./part.ts";
import { parts } from "./parts/index.ts";
import { installPeers } from "./peers.ts";
import { describeMachine, readCommit, readVersions } from "./report/machine.ts";
import { renderResults } from "./report/markdown.ts";
import { writeScalingTable } from "./report/scaling-table.ts";
import { writeResults } from "./report/write-results.ts";
import type { Results } from "./results.ts";
import { startStores } from "./stores.ts";
import { getTarget } from "./targets/index.ts";
import { openTarget } from "./targets/open-target.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

async function bench(options: BenchOptions, command: string, signal: AbortSignal) {
  await using resources = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "toril-bench-"));
  // Postgres may have to run as another user.
  chmodSync(dir, 0o711);
  resources.defer(() => rmSync(dir, { recursive: true, force: true }));
  const needsPeers = options.targets.some((name) => getTarget(name).peer !== undefined);
  const peersDir = needsPeers ? installPeers(root) : undefined;
  const stores = resources.use(await startStores(join(dir, "shared"), options.appendFsync, signal));
  const context = { root, dir, stores, peersDir, signal };
  const startedAt = performance.now();
  const { parts: names, targets: _, out, ...settings } = options;
  const versions = await readVersions(root, stores);
  const results: Results = { machine: describeMachine(), versions, parts: [] };
  let hasFailed = false;

  const estimates = names.map((name) => parts[name].estimate(options));
  const total = estimates.reduce((sum, seconds) => sum + seconds, 0);
  console.error(`${names.length} parts, about ${(total / 60).toFixed(1)} minutes`);

  for (const [index, name] of names.entries()) {
    const report = (line: string) => {
      const seconds = (performance.now() - startedAt) / 1000;
      console.error(
        `${seconds.toFixed(0).padStart(4)} s  ${name} ${index + 1}/${names.length}  ${line}`,
      );
    };
    report(`${parts[name].title}, about ${estimates[index]?.toFixed(0)} s`);
    await using generator = startGenerator();
    const context_: Bench = {
      options,
      generator,
      stores,
      root,
      dir,
      signal,
      report,
      open: (target, { stores: own = stores, servers } = {}) =>
        openTarget(target, { ...context, stores: own }, servers),
      startStores: (label) =>
        startStores(join(dir, `${name}-${label}`), options.appendFsync, signal),
    };
    const measuredAt = new Date().toISOString();
    try {
      const series = await parts[name].run(context_);
      hasFailed ||= series.some(({ failure }) => failure !== undefined);
      const commit = readCommit(root);
      results.parts.push({ part: name, measuredAt, commit, command, settings, series });
      if (out !== undefined) writeResults(resolve(root, out), results);
    } catch (error) {
      signal.throwIfAborted();
      hasFailed = true;
      report(`FAILED: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  if (out === undefined) console.log(renderResults(results));
  else if (out === "loadtest") writeScalingTable(join(root, "docs/scaling.md"), results);
  return !hasFailed;
}

await runProgram({
  usage,
  parse: parseOptions,
  run(options, { signal }) {
    const command = ["bun run bench", ...process.argv.slice(2)].join(" ");
    return bench(options, command, signal);
  },
});

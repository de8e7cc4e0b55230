import type { Bench } from "../part.ts";
import type { Series } from "../results.ts";
import type { Target } from "../targets/open-target.ts";
import { alternate, createContender } from "./alternate.ts";
import { fill, prepareStores, runDrain } from "./drain.ts";
import { createLoadContender } from "./load.ts";

export interface LoadedStores {
  /** Names the stores, and the series. */
  label: string;
  fill(target: Target): Promise<void>;
}

/** Measures Toril on empty stores and on stores with many jobs, alternately. */
export async function compareLoaded(
  bench: Bench,
  { label, fill: fillStores }: LoadedStores,
): Promise<Series[]> {
  const { connections, drainJobs } = bench.options;
  const seconds = Math.min(2, bench.options.seconds);
  await using stores = await bench.startStores("loaded");
  await using loaded = await bench.open("toril", { stores });
  await using empty = await bench.open("toril");
  await empty.jobs.empty(false);
  const targets = [
    { target: empty, stock: "empty" },
    { target: loaded, stock: label },
  ];
  for (const { target } of targets) await prepareStores(target);
  const startedAt = performance.now();
  await fillStores(loaded);
  bench.report(`${label}: created in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  for (const { target } of targets) await target.context.stores.tidy();

  const load = { kind: "post", keepsJobs: true } as const;
  const posts = targets.map(({ target, stock }) =>
    createLoadContender(bench, { ...load, target, connections, seconds }, `POST, ${stock}`),
  );
  const single = targets.map(({ target, stock }) =>
    createLoadContender(
      bench,
      { ...load, target, connections: 1, seconds: 1 },
      `single POST, ${stock}`,
    ),
  );
  const drains = targets.map(({ target, stock }) =>
    createContender(target, `drain, ${stock}`, {
      async run() {
        const missing = drainJobs - (await target.jobs.countUnfinished());
        if (missing > 0) await fill(bench, target, missing);
        return runDrain(bench, { target, jobs: drainJobs });
      },
    }),
  );
  const series = await alternate(bench, posts);
  series.push(...(await alternate(bench, single)));
  series.push(...(await alternate(bench, drains)));
  return series;
}

/** Estimated duration of the comparison in seconds, without filling the stores. */
export function estimateComparison(rounds: number, drainJobs: number): number {
  return 10 + rounds * 2 * (2 + 1 + 2 + drainJobs / 6000);
}

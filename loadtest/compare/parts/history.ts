import type { Part } from "../part.ts";
import { compareLoaded, estimateComparison } from "../rounds/compare-loaded.ts";
import { insertFinished } from "../rounds/insert-finished.ts";

export const history: Part = {
  title: "With finished jobs",
  description: ({ finished }) =>
    `Toril with ${finished.toLocaleString("en-US")} completed jobs in its ledger, inserted by SQL, beside Toril on stores of its own without them; alternating rounds. \`--finished N\` sets their number.`,
  estimate: ({ finished, rounds, drainJobs }) =>
    finished / 50_000 + estimateComparison(rounds, drainJobs),
  run: (bench) =>
    compareLoaded(bench, {
      label: `${bench.options.finished.toLocaleString("en-US")} finished`,
      fill: ({ context }) => insertFinished(context.stores.sql, bench.options.finished),
    }),
};

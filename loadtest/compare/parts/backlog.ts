import type { Part } from "../part.ts";
import { compareLoaded, estimateComparison } from "../rounds/compare-loaded.ts";
import { fill } from "../rounds/drain.ts";

export const backlog: Part = {
  title: "With a backlog",
  description: ({ backlog }) =>
    `Toril with ${backlog.toLocaleString("en-US")} pending jobs, enqueued by bulk requests, beside Toril with the jobs of its own rounds only, on stores of its own; alternating rounds. The drain takes the same number of jobs from both.`,
  estimate: ({ backlog, rounds, drainJobs }) =>
    backlog / 20_000 + estimateComparison(rounds, drainJobs),
  run: (bench) =>
    compareLoaded(bench, {
      label: `${bench.options.backlog.toLocaleString("en-US")} pending`,
      fill: (target) => fill(bench, target, bench.options.backlog),
    }),
};

import type { Part } from "../part.ts";
import { alternate, createContender } from "../rounds/alternate.ts";
import { prepareStores, refill, runDrain } from "../rounds/drain.ts";
import { openTargets, selectTargets } from "../rounds/open-all.ts";

const wanted = { kind: "bulk", ownConsumer: true } as const;

export const drain: Part = {
  title: "Drain of a backlog by one consumer",
  description: ({ drainJobs }) =>
    `${drainJobs.toLocaleString("en-US")} jobs are enqueued, then one consumer is started. The first fifth of the jobs warms it up and is not measured.`,
  estimate: ({ targets, rounds, drainJobs }) =>
    selectTargets(targets, wanted).length * rounds * (4 + drainJobs / 6000),
  async run(bench) {
    const { drainJobs: jobs } = bench.options;
    await using targets = await openTargets(bench, wanted);
    return await alternate(
      bench,
      targets.all.map((target) =>
        createContender(target, "", {
          warmUp: () => prepareStores(target),
          async run() {
            await refill(bench, target, jobs);
            return runDrain(bench, { target, jobs });
          },
        }),
      ),
    );
  },
};

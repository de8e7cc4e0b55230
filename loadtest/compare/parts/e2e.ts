import type { Part } from "../part.ts";
import type { PartSettings } from "../results.ts";
import { alternate } from "../rounds/alternate.ts";
import { createLoadContender, warmUpSeconds } from "../rounds/load.ts";
import { openTargets, selectTargets } from "../rounds/open-all.ts";

const wanted = { kind: "post", consumers: 1 } as const;
export const e2eConnections = 64;

/** Longer than in other parts: four processes at once go on compiling and filling their caches for several seconds. */
const loadSeconds = ({ seconds }: PartSettings) => (seconds < 2 ? seconds : 3 * seconds);

export const e2e: Part = {
  title: "End to end",
  description: (options) =>
    `From the first POST until every accepted job is settled, checked by count: ${e2eConnections} or ${options.connections} connections post for ${loadSeconds(options)} s, one consumer processes the jobs at the same time and afterwards. jobs/s are of the whole time; p50 and p99 are of the requests.`,
  estimate: (options) =>
    selectTargets(options.targets, wanted).length *
    (2 +
      warmUpSeconds(loadSeconds(options)) +
      2 * options.rounds * (1.3 * loadSeconds(options) + 0.6)),
  async run(bench) {
    await using targets = await openTargets(bench, wanted);
    const load = { kind: "post", seconds: loadSeconds(bench.options), untilSettled: true } as const;
    return await alternate(
      bench,
      [e2eConnections, bench.options.connections].flatMap((connections, index) =>
        targets.all.map((target) => {
          const variant = `${connections} connections`;
          const contender = createLoadContender(bench, { ...load, target, connections }, variant);
          // The first rounds have warmed the processes up.
          return index === 0 ? contender : { series: contender.series, run: contender.run };
        }),
      ),
    );
  },
};

import type { BenchOptions } from "../options.ts";
import type { Bench, Part } from "../part.ts";
import type { RequestKind } from "../requests.ts";
import type { Series } from "../results.ts";
import { alternate } from "../rounds/alternate.ts";
import { createLoadContender, warmUpSeconds } from "../rounds/load.ts";
import { openTargets, selectTargets } from "../rounds/open-all.ts";

interface AcceptSettings extends Pick<Part, "title" | "description"> {
  kind: RequestKind;
  connections(options: BenchOptions): number;
}

/** A part that accepts jobs without consumers, one kind of request in a closed loop. */
export function createAcceptPart({ kind, connections, ...texts }: AcceptSettings): Part {
  return {
    ...texts,
    estimate: (options) =>
      selectTargets(options.targets, { kind }).length *
      (2 + warmUpSeconds(options.seconds) + options.rounds * (options.seconds + 0.6)),
    async run(bench: Bench): Promise<Series[]> {
      await using targets = await openTargets(bench, { kind });
      const { seconds } = bench.options;
      const load = { kind, connections: connections(bench.options), seconds };
      return await alternate(
        bench,
        targets.all.map((target) => createLoadContender(bench, { ...load, target })),
      );
    },
  };
}

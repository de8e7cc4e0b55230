import type { Part } from "../part.ts";
import { alternate } from "../rounds/alternate.ts";
import { createLoadContender, warmUpSeconds } from "../rounds/load.ts";
import { openTargets, selectTargets } from "../rounds/open-all.ts";

const kinds = [
  ["post", "POST"],
  ["wait", "POST with Prefer: wait"],
] as const;

export const latency: Part = {
  title: "Latency of a single request",
  description: () =>
    "One connection, one request after the other, with an idle consumer. `POST` ends when the job is accepted, `POST with Prefer: wait` when its result is in the response; the endpoints written for this benchmark use `waitUntilFinished`, the peers without a row have no such request.",
  estimate: ({ targets, rounds, seconds }) =>
    selectTargets(targets, { kind: "post" }).length *
      (2 + warmUpSeconds(seconds) + rounds * (seconds + 0.6)) +
    selectTargets(targets, { kind: "wait" }).length * rounds * (seconds + 0.6),
  async run(bench) {
    await using targets = await openTargets(bench, { kind: "post", consumers: 1 });
    const load = { connections: 1, seconds: bench.options.seconds, untilSettled: true };
    return await alternate(
      bench,
      targets.all.flatMap((target) =>
        kinds
          .filter(([kind]) => target.definition.requests[kind] !== undefined)
          .map(([kind, variant]) => createLoadContender(bench, { ...load, target, kind }, variant)),
      ),
    );
  },
};

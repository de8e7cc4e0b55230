import type { Part } from "../part.ts";
import { alternate } from "../rounds/alternate.ts";
import { createLoadContender, warmUpSeconds } from "../rounds/load.ts";
import { openTargets } from "../rounds/open-all.ts";

const kinds = ["post", "keyed"] as const;
const keyed = new Set(["toril", "hono"]);

export const keyedPart: Part = {
  title: "POST with an Idempotency-Key",
  description: ({ connections }) =>
    `The same with ${connections} connections and a new Idempotency-Key in every request, beside requests without one. Toril stores the response in the transaction of the job and replays it byte for byte for 24 hours; the bare endpoint uses the key as the job's id, so that a repetition adds no second job while the first is in Redis.`,
  estimate: ({ targets, rounds, seconds }) =>
    targets.filter((name) => keyed.has(name)).length *
    2 *
    (1.5 + warmUpSeconds(seconds) + rounds * (seconds + 0.6)),
  async run(bench) {
    const { options } = bench;
    const names = options.targets.filter((name) => keyed.has(name));
    const chosen = { ...bench, options: { ...options, targets: names } };
    await using targets = await openTargets(chosen, { kind: "keyed" });
    const { connections, seconds } = options;
    return await alternate(
      bench,
      targets.all.flatMap((target) =>
        kinds.map((kind) => {
          const variant = kind === "keyed" ? "with Idempotency-Key" : "without";
          return createLoadContender(bench, { target, kind, connections, seconds }, variant);
        }),
      ),
    );
  },
};

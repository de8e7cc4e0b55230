import { readMemory } from "../memory.ts";
import type { Part } from "../part.ts";
import type { MemoryUse, Series } from "../results.ts";
import { openTargets } from "../rounds/open-all.ts";

const idleMs = 8_000;
const wanted = { kind: "post", consumers: 1 } as const;

export const memory: Part = {
  title: "Idle memory",
  description: () =>
    `A producer, a consumer and Redis, started ${idleMs / 1000} s ago, without any job. RSS counts the pages of the runtime's file in each process; anonymous memory does not. Postgres is not counted.`,
  estimate: ({ targets }) => idleMs / 1000 + targets.length * 3,
  async run(bench) {
    await using stores = await bench.startStores("idle");
    await using targets = await openTargets(
      { ...bench, open: (name) => bench.open(name, { stores }) },
      wanted,
    );
    await Bun.sleep(idleMs);
    return targets.all.map((target): Series => {
      const pids = target.pids(bench.generator.pid);
      const memory: MemoryUse = {};
      for (const name of ["producer", "consumer", "redis"] as const) {
        const [pid] = pids[name];
        if (pid !== undefined) memory[name] = readMemory(pid);
      }
      const { title } = target.definition;
      const sample = { jobs: 0, seconds: idleMs / 1000, errors: 0, memory };
      return { target: target.name, title, variant: "", samples: [sample] };
    });
  },
};

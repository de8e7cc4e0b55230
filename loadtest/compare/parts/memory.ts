import { join } from "node:path";

import { readMemory } from "../memory.ts";
import type { Bench, Part } from "../part.ts";
import type { MemoryUse, Series } from "../results.ts";
import { openTargets } from "../rounds/open-all.ts";
import type { Stores } from "../stores.ts";
import { buildImagePrograms } from "../targets/image-programs.ts";
import { runPrograms, toril } from "../targets/toril.ts";

const idleMs = 8_000;
const wanted = { kind: "post", consumers: 1 } as const;

type Processes = {
  producer?: number | undefined;
  consumer?: number | undefined;
  redis?: number | undefined;
};

export const memory: Part = {
  title: "Idle memory",
  description: () =>
    `A producer, a consumer and Redis, started ${idleMs / 1000} s ago, without any job. Toril runs from its sources, and a second time as the bundled programs of the container images. RSS counts the pages of the runtime's file in each process; anonymous memory does not. Postgres is not counted.`,
  estimate: ({ targets }) => idleMs / 1000 + 10 + targets.length * 3,
  async run(bench) {
    await using stores = await bench.startStores("idle");
    await using targets = await openTargets(
      { ...bench, open: (name) => bench.open(name, { stores }) },
      wanted,
    );
    await using images = await openImages(bench, stores);
    await Bun.sleep(idleMs);
    const series = targets.all.map(({ name, definition, pids }) => {
      const { producer, consumer, redis } = pids(bench.generator.pid);
      const processes = { producer: producer[0], consumer: consumer[0], redis: redis[0] };
      return toSeries({ target: name, title: definition.title, variant: "" }, processes);
    });
    if (images.processes === undefined) return series;
    const { title } = toril;
    series.splice(1, 0, toSeries({ target: "toril", title, variant: "images" }, images.processes));
    return series;
  },
};

/** Starts the programs of Toril's images beside the targets. */
async function openImages(
  { options, root, dir, signal }: Bench,
  stores: Stores,
): Promise<AsyncDisposable & { processes?: Processes }> {
  await using opening = new AsyncDisposableStack();
  let processes: Processes | undefined;
  if (options.targets.includes("toril")) {
    const programs = runPrograms(await buildImagePrograms(root, join(dir, "images")));
    const context = { root, dir, stores, peersDir: undefined, signal };
    const server = await programs.startServer(context);
    opening.use(server.child);
    const consumer = opening.use(await programs.startConsumer(context, [server]));
    processes = { producer: server.child.pid, consumer: consumer.pid, redis: stores.redisPid };
  }
  const opened = opening.move();
  return { ...(processes && { processes }), [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

function toSeries(of: Pick<Series, "target" | "title" | "variant">, processes: Processes): Series {
  const use: MemoryUse = {};
  for (const name of ["producer", "consumer", "redis"] as const) {
    const pid = processes[name];
    if (pid !== undefined) use[name] = readMemory(pid);
  }
  const sample = { jobs: 0, seconds: idleMs / 1000, errors: 0, memory: use };
  return { ...of, samples: [sample] };
}

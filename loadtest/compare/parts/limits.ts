import { type LoopRound, runLoop } from "../limits/run-loop.ts";
import { measureCpu } from "../measure.ts";
import type { Bench, Part } from "../part.ts";
import { toRequestText, torilRequests } from "../requests.ts";
import type { Sample } from "../results.ts";
import { alternate, type Contender } from "../rounds/alternate.ts";
import { perJob } from "../rounds/load.ts";
import type { Server } from "../targets/target.ts";
import { startServerScript } from "../targets/start-script.ts";

const loops: (LoopRound & { title: string })[] = [
  {
    title: "Bare insert: batches of 96 rows, two in flight",
    loop: "insert",
    runtime: "bun",
    role: "producer",
    stores: ["postgres"],
  },
  {
    title: "Bare script: dispatch of 96 jobs, two in flight",
    loop: "dispatch",
    runtime: "bun",
    role: "producer",
    stores: ["redis"],
  },
  {
    title: "Bare script: finish the last 64 jobs and take the next 64",
    loop: "take",
    runtime: "node",
    role: "consumer",
    stores: ["redis"],
  },
];

export const limits: Part = {
  title: "Limits",
  description: ({ connections }) =>
    `What the pieces of Toril cost alone: a Hono server on Bun that parses a job and answers with an id (${connections} connections), the insert statement of the producer, its dispatch script, and the script with which a consumer finishes and takes jobs. Each is a loop without a service around it.`,
  estimate: ({ rounds, seconds }) => 3 + rounds * 4 * (seconds + 2),
  async run(bench) {
    const { stores, root, signal } = bench;
    const context = { root, dir: bench.dir, stores, peersDir: undefined, signal };
    const echo = await startServerScript(context, { script: "servers/echo.ts", runtime: "bun" });
    try {
      return await alternate(bench, [
        createLimit("Bare echo: Hono on Bun, no store", () => runEcho(bench, echo)),
        ...loops.map((round) => createLimit(round.title, () => runLoop(bench, round))),
      ]);
    } finally {
      await echo.child.stop();
    }
  },
};

function createLimit(title: string, run: () => Promise<Sample>): Contender {
  return { series: { target: "limit", title, variant: "", samples: [] }, run };
}

async function runEcho({ generator, options }: Bench, { child, port }: Server): Promise<Sample> {
  const { bodyBytes, connections, seconds } = options;
  const post = torilRequests.post({ bodyBytes, bulkJobs: 0, csvRows: 0 });
  const { expected } = post;
  await generator.connect({ ports: [port], connections, request: toRequestText(post), expected });
  const pids = {
    producer: [child.pid],
    consumer: [],
    redis: [],
    postgres: [],
    generator: [generator.pid],
  };
  const [load, use] = await measureCpu(pids, () => generator.run(seconds));
  const { accepted, ...rest } = load;
  const cpuUs = perJob(use.cpuUs, accepted);
  return { ...rest, jobs: accepted, cpuUs, othersShare: use.othersShare };
}

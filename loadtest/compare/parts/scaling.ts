import type { Bench, Part } from "../part.ts";
import type { Sample } from "../results.ts";
import { alternate, type Contender } from "../rounds/alternate.ts";
import { refill, runDrain } from "../rounds/drain.ts";
import { runLoad, warmUpSeconds } from "../rounds/load.ts";
import type { Target } from "../targets/open-target.ts";
import { e2eConnections } from "./e2e.ts";

const producerCounts = [1, 2, 4];
const consumerCounts = [1, 2, 3, 4, 5];
/** Producers and consumers of the end-to-end rounds. */
const stacks = [
  [1, 1],
  [2, 1],
  [1, 2],
  [2, 2],
  [4, 5],
] as const;

export const scaling: Part = {
  title: "Scaling",
  description: ({ connections, drainJobs }) =>
    `Toril with 1, 2 and 4 producers (POST, ${connections} connections spread over them), with 1 to 5 consumers (drain of ${drainJobs.toLocaleString("en-US")} jobs), and end to end with both, all on the cores of this machine. More processes than cores show what a further process costs, not what a further machine gains: [docs/scaling.md](../docs/scaling.md) computes that from the CPU time per job.`,
  estimate: ({ seconds, drainJobs }) => 3 * (seconds + 3) + 5 * (4 + drainJobs / 6000) + 5 * 11,
  async run(bench) {
    const contenders = [
      ...producerCounts.map((count) =>
        contend(`POST, ${plural(count, "producer")}`, () => runPost(bench, count)),
      ),
      ...consumerCounts.map((count) =>
        contend(`drain, ${plural(count, "consumer")}`, () => runDrainWith(bench, count)),
      ),
      ...stacks.map(([producers, consumers]) =>
        contend(
          `end to end, ${plural(producers, "producer")}, ${plural(consumers, "consumer")}`,
          () => runEndToEnd(bench, producers, consumers),
        ),
      ),
    ];
    // Many situations, each with a process of its own, in one round.
    return alternate(bench, contenders, 1);
  },
};

function contend(variant: string, run: () => Promise<Sample>): Contender {
  return { series: { target: "toril", title: "Toril", variant, samples: [] }, run };
}

function plural(count: number, noun: string) {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

async function runPost(bench: Bench, servers: number): Promise<Sample> {
  await using target = await bench.open("toril", { servers });
  const { connections, seconds } = bench.options;
  const round = { target, kind: "post", connections } as const;
  await runLoad(bench, { ...round, seconds: Math.min(1, seconds) });
  return await runLoad(bench, { ...round, seconds });
}

async function runDrainWith(bench: Bench, consumers: number): Promise<Sample> {
  await using target = await bench.open("toril");
  const jobs = bench.options.drainJobs;
  await refill(bench, target, jobs);
  // Otherwise the first consumer would drain the queue while the others start.
  await control(target, "pause");
  await target.startConsumers(consumers);
  return await runDrain(bench, { target, jobs, start: () => control(target, "resume") });
}

async function control({ ports: [port] }: Target, action: "pause" | "resume") {
  const address = `http://127.0.0.1:${port}/v1/queues/default/${action}`;
  const response = await fetch(address, { method: "POST" });
  if (!response.ok) throw new Error(`${address}: ${response.status} ${await response.text()}`);
}

async function runEndToEnd(bench: Bench, servers: number, consumers: number): Promise<Sample> {
  await using target = await bench.open("toril", { servers });
  await target.jobs.empty(false);
  await target.startConsumers(consumers);
  const seconds = Math.min(2, bench.options.seconds);
  const round = { target, kind: "post", connections: e2eConnections, untilSettled: true } as const;
  await runLoad(bench, { ...round, seconds: warmUpSeconds(seconds) });
  return await runLoad(bench, { ...round, seconds });
}

import { startCpuMeter } from "../measure.ts";
import type { Bench } from "../part.ts";
import type { Sample } from "../results.ts";
import type { Target } from "../targets/open-target.ts";
import { bulkJobs, perJob, untilUnfinished } from "./load.ts";

/** The share of the jobs that warms up the consumers and is not measured. */
const warmUpShare = 0.2;
const fillConnections = 4;

export interface DrainRound {
  target: Target;
  /** Jobs to drain; the queue may have more. */
  jobs: number;
  /** Starts the drain; by default, starts the consumers. */
  start?(): Promise<void>;
}

/** Drains jobs of a backlog with a newly started consumer. */
export async function runDrain(bench: Bench, round: DrainRound): Promise<Sample> {
  const { target, jobs, start = () => target.startConsumers(1) } = round;
  const { signal } = bench;
  const before = await target.jobs.count();
  const backlog = await target.jobs.countUnfinished();
  if (backlog < jobs) throw new Error(`${target.name}: the backlog has ${backlog} jobs`);
  try {
    await start();
    await untilUnfinished(target, Math.floor(backlog - jobs * warmUpShare), signal);
    const startedAt = performance.now();
    const stop = startCpuMeter(target.pids(bench.generator.pid));
    const from = await target.jobs.countUnfinished();
    await untilUnfinished(target, backlog - jobs, signal);
    const drained = from - (await target.jobs.countUnfinished());
    const use = stop();
    const seconds = (performance.now() - startedAt) / 1000;
    await target.stopConsumers();
    const after = await target.jobs.count();
    const unfinished = await target.jobs.countUnfinished();
    const settled = after.settled - before.settled;
    if (settled !== backlog - unfinished) {
      throw new Error(
        `${target.name}: ${backlog - unfinished} jobs left the queue, but ${settled} were settled`,
      );
    }
    return {
      jobs: drained,
      seconds,
      errors: 0,
      cpuUs: perJob(use.cpuUs, drained),
      othersShare: use.othersShare,
      accepted: backlog - unfinished,
      settled,
    };
  } finally {
    await target.stopConsumers();
  }
}

/** Starts and stops a consumer: the first one prepares the stores. */
export async function prepareStores(target: Target): Promise<void> {
  await target.startConsumers(1);
  await target.stopConsumers();
}

/** Enqueues jobs with bulk requests. */
export async function fill(bench: Bench, target: Target, jobs: number): Promise<void> {
  const { bodyBytes } = bench.options;
  let left = jobs;
  async function sendRequests(port: number) {
    while (left > 0) {
      bench.signal.throwIfAborted();
      const count = Math.min(left, bulkJobs);
      left -= count;
      const size = { bodyBytes, bulkJobs: count, csvRows: 0 };
      const request = target.definition.requests.bulk?.(size);
      if (request === undefined) throw new Error(`${target.name} has no bulk requests`);
      const response = await fetch(`http://127.0.0.1:${port}${request.path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: request.body,
      });
      const text = await response.text();
      if (!response.ok || !text.includes(request.expected)) {
        throw new Error(`${target.name}: ${response.status} ${text.slice(0, 300)}`);
      }
    }
  }
  const [port = 0] = target.ports;
  await Promise.all(Array.from({ length: fillConnections }, () => sendRequests(port)));
}

/** Empties the target and enqueues a new backlog. */
export async function refill(bench: Bench, target: Target, jobs: number): Promise<void> {
  await target.jobs.empty(false);
  await target.context.stores.tidy();
  await fill(bench, target, jobs);
}

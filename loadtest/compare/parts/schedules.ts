import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../../../ops/dev/until.ts";
import { startCpuMeter } from "../measure.ts";
import type { Bench, Part } from "../part.ts";
import type { Sample } from "../results.ts";
import { alternate, createContender } from "../rounds/alternate.ts";
import { prepareStores } from "../rounds/drain.ts";
import { perJob, untilUnfinished } from "../rounds/load.ts";
import type { Target } from "../targets/open-target.ts";

/** More than a consumer can fire each second. */
const scheduleCount = 20_000;

export const schedules: Part = {
  title: "Scheduled jobs",
  description: () =>
    `Toril with ${scheduleCount.toLocaleString("en-US")} schedules of one second, more than one consumer can fire; the consumer also processes the jobs that it enqueues. A job counts when its schedule has enqueued it.`,
  estimate: ({ rounds, seconds }) => rounds * (20 + seconds),
  async run(bench) {
    await using target = await bench.open("toril");
    const contender = createContender(target, "one consumer", {
      warmUp: () => prepareStores(target),
      run: () => runSchedules(bench, target),
    });
    return await alternate(bench, [contender]);
  },
};

async function runSchedules(bench: Bench, target: Target): Promise<Sample> {
  const { signal, generator } = bench;
  const { sql } = target.context.stores;
  await target.jobs.empty(false);
  await putSchedules(target);
  const count = async () => (await target.jobs.count()).accepted;
  try {
    await target.startConsumers(1);
    const isWarm = async () => (await count()) > scheduleCount / 4 || undefined;
    await until("the schedules fire", isWarm, { timeoutMs: 60_000, signal });
    const from = await count();
    const startedAt = performance.now();
    const stop = startCpuMeter(target.pids(generator.pid));
    await sleep(bench.options.seconds * 1000, undefined, { signal });
    const jobs = (await count()) - from;
    const use = stop();
    const seconds = (performance.now() - startedAt) / 1000;
    await sql`delete from schedules`;
    await untilUnfinished(target, 0, signal);
    return {
      jobs,
      seconds,
      errors: 0,
      cpuUs: perJob(use.cpuUs, jobs),
      othersShare: use.othersShare,
    };
  } finally {
    await sql`delete from schedules`;
    await target.stopConsumers();
  }
}

/** Puts one schedule with a request, and copies it with SQL. */
async function putSchedules({ ports: [port = 0], context }: Target): Promise<void> {
  const job = { type: "echo", data: { message: "scheduled" } };
  const response = await fetch(`http://127.0.0.1:${port}/v1/schedules/bench`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ everyMs: 1000, overlap: "queue", job }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  await context.stores.sql`
    insert into schedules (tenant, name, id, type, definition, source, next_at)
    select tenant, 'bench-' || number, gen_random_uuid(), type, definition, source, now()
    from schedules, generate_series(2, ${scheduleCount}) as number`;
}

import { bullId, epochKey, jobKey, lockKey, queueKeys } from "@toril/contract/engine/redis/names";
import { OnAll, type Real } from "./command.ts";
import { type Model, type ModelJob, queues, runs, type WorkerKind } from "./jobs.ts";

/** A job that runs may wait again: its queue is paused, or it waits for an HTTP worker. */
function requeue(model: Model, job: ModelJob) {
  job.lease = undefined;
  if (job.worker === "pull" || model.paused.has(job.worker)) job.rest = "waits";
}

export const flush = new OnAll("FLUSHALL", async (model, { stack: { redisClient, until } }) => {
  await redisClient.flushall();
  // Until consumers detect the flush, a paused queue is not paused.
  await until("the flush is noticed", async () => {
    if ((await redisClient.exists(epochKey("bull", queues.handler))) === 0) return undefined;
    for (const worker of model.paused) {
      const { meta } = queueKeys("bull", queues[worker]);
      if ((await redisClient.hexists(meta, "paused")) === 0) return undefined;
    }
    return true;
  });
  for (const job of model.jobs) {
    // Attempts count from 0 again, and so does the wait that a worker asked for.
    if (job.rest === "waits" || job.rest === "runs")
      Object.assign(job, { made: 0, isStalled: false });
    if (job.rest === "runs") requeue(model, job);
  }
});

/** Ends workers without a word; their jobs stall and run again. */
function killWorkers(
  name: string,
  kinds: readonly WorkerKind[],
  kill: (jobs: readonly ModelJob[], real: Real) => Promise<void>,
) {
  return new OnAll(name, async (model, real) => {
    const { redisClient, until } = real.stack;
    const jobs = model.jobs.filter(runs(...kinds));
    const getStalls = () =>
      Promise.all(jobs.map((job) => redisClient.hget(toKey(jobKey, job), "stc")));
    const before = await getStalls();
    await kill(jobs, real);
    await until("what ran has stalled", async () => {
      const now = await getStalls();
      return now.every((count, at) => Number(count) > Number(before[at])) || undefined;
    });
    for (const job of jobs) {
      requeue(model, job);
      if (job.rest === "waits") job.isStalled = true;
    }
  });
}

function toKey(key: typeof jobKey, { worker, id, generation }: ModelJob) {
  return key("bull", queues[worker], bullId(id, generation));
}

export const killConsumer = killWorkers(
  "kill -9 of the consumer",
  ["handler", "push"],
  async (_, { stack: { consumers } }) => {
    await consumers[0]!.kill("SIGKILL");
    await consumers[0]!.restart();
  },
);

export const killOthers = killWorkers(
  "kill -9 of the stock worker and the HTTP worker",
  ["stock", "pull"],
  async (jobs, { stack: { redisClient }, workers }) => {
    await workers.restartStock();
    // The leases last longer than the test.
    for (const job of jobs) await redisClient.del(toKey(lockKey, job));
  },
);

import { Queue } from "bullmq";
import { Redis } from "ioredis";

import { openRows } from "../rows.ts";
import { createWait } from "./bullmq-wait.ts";
import { type FrontJob, serveFront } from "./front.ts";

const { REDIS_URL = "", DATABASE_URL = "", QUEUE = "hono", WITH_ROWS } = process.env;
const queue = new Queue(QUEUE, { connection: new Redis(REDIS_URL) });
const waitForEnd = createWait(QUEUE, REDIS_URL);
const rows = WITH_ROWS === undefined ? undefined : await openRows(DATABASE_URL);
const options = { attempts: 3, backoff: { type: "exponential", delay: 1000 } };

async function add({ type, data }: FrontJob, idempotencyKey?: string) {
  const jobId = idempotencyKey ?? (rows && crypto.randomUUID());
  if (jobId === undefined) return queue.add(type, data, options);
  await rows?.insert([jobId], [{ type, data }]);
  return queue.add(type, data, { ...options, jobId });
}

serveFront({
  enqueue: async (job, idempotencyKey) => (await add(job, idempotencyKey)).id,
  async enqueueAndWait(request) {
    const job = await add(request);
    await waitForEnd(job);
    return job.id;
  },
  async enqueueMany(jobs) {
    const ids = rows && jobs.map(() => crypto.randomUUID());
    if (rows !== undefined && ids !== undefined) await rows.insert(ids, jobs);
    const entries = jobs.map(({ type, data }, index) => {
      const jobId = ids?.[index];
      return { name: type, data, opts: jobId === undefined ? options : { ...options, jobId } };
    });
    return (await queue.addBulk(entries)).map(({ id = "" }) => id);
  },
});

import { Worker } from "bullmq";
import { Redis } from "ioredis";

import { openRows } from "../rows.ts";

const { REDIS_URL = "", DATABASE_URL = "", QUEUE = "hono", WITH_ROWS } = process.env;
const rows = WITH_ROWS === undefined ? undefined : await openRows(DATABASE_URL);

const worker = new Worker<{ message: string }>(
  QUEUE,
  async ({ id = "", data }) => {
    const result = { message: data.message };
    await rows?.complete(id, result);
    return result;
  },
  {
    connection: new Redis(REDIS_URL, { maxRetriesPerRequest: null }),
    concurrency: 100,
    removeOnComplete: { count: 0 },
  },
);
worker.on("error", console.error);
await worker.waitUntilReady();
console.log("ready");

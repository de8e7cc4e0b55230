import { join } from "node:path";

import { freePort } from "../../../ops/dev/ports.ts";
import { startConsumer, startProducer } from "../../../ops/dev/processes.ts";
import { torilRequests } from "../requests.ts";
import type { Stores } from "../stores.ts";
import { countBullMqUnfinished, removeKeys } from "./bullmq-jobs.ts";
import { baseEnv } from "./start-script.ts";
import type { TargetContext, TargetDefinition, TargetJobs } from "./target.ts";

const torilPrefix = "toril";
const queues = ["{default}", "{imports}"];

let started = 0;

export const toril: TargetDefinition = {
  title: "Toril",
  configuration:
    "producers on Bun and consumers on Node with their defaults (100 jobs at a time per queue); every job is committed to Postgres before the response, and every outcome before BullMQ is acknowledged",
  usesRedis: true,
  usesPostgres: true,
  requests: torilRequests,
  hasConsumer: true,
  async startServer(context) {
    const port = await freePort();
    const child = await startProducer(appSettings(context, "producer", port));
    return { child, port };
  },
  async startConsumer(context) {
    return startConsumer(appSettings(context, "consumer", await freePort()));
  },
  createJobs: (stores) => createTorilJobs(stores),
};

function appSettings({ root, dir, stores, signal }: TargetContext, role: string, port: number) {
  started += 1;
  return {
    root,
    name: `${role} of Toril`,
    port,
    env: {
      ...baseEnv(),
      REDIS_URL: stores.redisUrl,
      DATABASE_URL: stores.databaseUrl,
      BULL_PREFIX: torilPrefix,
    },
    logFile: join(dir, `${started}-toril-${role}.log`),
    signal,
  };
}

function createTorilJobs({ redis, sql }: Stores): TargetJobs {
  return {
    countUnfinished: () => countBullMqUnfinished(redis, torilPrefix, queues),
    async count() {
      const [row] = (await sql`
        select count(*)::int as accepted, count(*) filter (where status <> 'pending')::int as settled
        from jobs`) as { accepted: number; settled: number }[];
      return row ?? { accepted: 0, settled: 0 };
    },
    // Redis keeps Toril's epoch: it has not lost anything.
    async empty(isServed) {
      const tables = (await sql`
        select tablename as name from pg_tables
        where schemaname = 'public' and tablename not like 'audit%'`) as { name: string }[];
      const names = tables.map(({ name }) => `"${name}"`).join(", ");
      await sql.unsafe(`truncate ${names}`);
      if (isServed) return;
      for (const queue of queues) await removeKeys(redis, `${torilPrefix}:${queue}:`);
    },
  };
}

import { join } from "node:path";

import { freePort } from "../../../ops/dev/processes/ports.ts";
import { startConsumer, startProducer } from "../../../ops/dev/processes/start-app.ts";
import { type HttpRequest, torilRequests } from "../requests.ts";
import type { Stores } from "../stores.ts";
import { countBullMqUnfinished, removeKeys } from "./bullmq-jobs.ts";
import { baseEnv, startWorkerScript } from "./start-script.ts";
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
  createJobs: (stores) => createTorilJobs(stores, queues),
};

const pulledType = "bench.pulled";

/** The same jobs, processed by a worker that takes them over HTTP. */
export const torilPull: TargetDefinition = {
  ...toril,
  title: "Toril, HTTP worker",
  configuration:
    "a producer as above, and a worker on Node that takes and finishes jobs over HTTP, with 8 requests of 100 jobs in flight; no consumer. The column `consumer` is the worker",
  requests: { bulk: (size) => toPulled(torilRequests.bulk(size)) },
  async startServer(context) {
    const server = await toril.startServer(context);
    const url = `http://127.0.0.1:${server.port}/v1/job-types/${pulledType}`;
    const body = JSON.stringify({ worker: "pull", data: { type: "object" } });
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(url, { method: "PUT", headers, body });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return server;
  },
  startConsumer: (context, [server]) =>
    startWorkerScript(context, {
      script: "workers/toril-http.ts",
      runtime: "node",
      env: { PORT: String(server?.port), TYPE: pulledType },
    }),
  createJobs: (stores) => createTorilJobs(stores, [`{${pulledType}}`]),
};

function toPulled(request: HttpRequest): HttpRequest {
  return { ...request, body: request.body.replaceAll('"echo"', JSON.stringify(pulledType)) };
}

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

function createTorilJobs({ redis, sql }: Stores, names: readonly string[]): TargetJobs {
  return {
    countUnfinished: () => countBullMqUnfinished(redis, torilPrefix, names),
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
        where schemaname = 'public' and tablename not like 'audit%' and tablename <> 'job_types'`) as {
        name: string;
      }[];
      const names = tables.map(({ name }) => `"${name}"`).join(", ");
      await sql.unsafe(`truncate ${names}`);
      if (isServed) return;
      for (const queue of names) await removeKeys(redis, `${torilPrefix}:${queue}:`);
    },
  };
}

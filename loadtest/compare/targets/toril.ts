import { join } from "node:path";

import type { SQL } from "bun";

import { freePort } from "../../../ops/dev/processes/ports.ts";
import { startConsumer, startProducer } from "../../../ops/dev/processes/start-app.ts";
import { type HttpRequest, torilRequests } from "../requests.ts";
import type { Stores } from "../stores.ts";
import { countBullMqUnfinished, removeKeys } from "./bullmq-jobs.ts";
import type { ImageProgram, ImagePrograms } from "./image-programs.ts";
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
  ...runPrograms(),
  createJobs: (stores) => createTorilJobs(stores, queues),
};

/** @param programs instead of the sources */
export function runPrograms(
  programs?: ImagePrograms,
): Pick<TargetDefinition, "startServer" | "startConsumer"> {
  return {
    async startServer(context) {
      const port = await freePort();
      const child = await startProducer(
        appSettings(context, { role: "producer", port, program: programs?.producer }),
      );
      return { child, port };
    },
    async startConsumer(context) {
      const port = await freePort();
      return startConsumer(
        appSettings(context, { role: "consumer", port, program: programs?.consumer }),
      );
    },
  };
}

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

function appSettings(
  { root, dir, stores, signal }: TargetContext,
  app: { role: string; port: number; program: ImageProgram | undefined },
) {
  started += 1;
  const { role, port, program } = app;
  return {
    root,
    ...(program && { program }),
    name: `${role} of Toril`,
    port,
    env: {
      ...baseEnv(),
      ...program?.env,
      REDIS_URL: stores.redisUrl,
      DATABASE_URL: stores.databaseUrl,
      BULL_PREFIX: torilPrefix,
    },
    logFile: join(dir, `${started}-toril-${role}.log`),
    signal,
  };
}

/** Repeats a deadlock: statements of running services lock the same tables in another order. */
async function truncate(sql: SQL, names: string, tries = 5): Promise<void> {
  try {
    await sql.unsafe(`truncate ${names}`);
  } catch (error) {
    if (tries === 1 || !(error instanceof Error) || !error.message.includes("deadlock"))
      throw error;
    await truncate(sql, names, tries - 1);
  }
}

function createTorilJobs({ redis, sql }: Stores, queueNames: readonly string[]): TargetJobs {
  return {
    countUnfinished: () => countBullMqUnfinished(redis, torilPrefix, queueNames),
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
      await truncate(sql, tables.map(({ name }) => `"${name}"`).join(", "));
      if (isServed) return;
      for (const name of queueNames) await removeKeys(redis, `${torilPrefix}:${name}:`);
    },
  };
}

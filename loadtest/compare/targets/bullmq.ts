import type { Child } from "../../../ops/dev/processes/child.ts";
import { torilRequests } from "../requests.ts";
import { createBullMqJobs } from "./bullmq-jobs.ts";
import { startServerScript, startWorkerScript } from "./start-script.ts";
import type { TargetContext, TargetDefinition, TargetJobs } from "./target.ts";

const worker = "BullMQ's Worker on Node, 100 jobs at a time, `removeOnComplete: { count: 0 }`";

/** Hono and `queue.add`: what a team writes itself. */
export const hono: TargetDefinition = {
  title: "Hono + queue.add",
  configuration: `Hono on Bun; one \`queue.add\` per job, \`addBulk\` for many; ${worker}. Nothing is written to Postgres`,
  usesRedis: true,
  usesPostgres: false,
  requests: torilRequests,
  hasConsumer: true,
  startServer: (context) =>
    startServerScript(context, { script: "servers/hono.ts", runtime: "bun" }),
  startConsumer: (context) => startWorker(context, {}),
  createJobs: ({ redis }) => createBullMqJobs(redis, "bull", "hono"),
};

const rowEnv = { QUEUE: "hono-row", WITH_ROWS: "yes" };

/** The same, with a Postgres row per job. */
export const honoRow: TargetDefinition = {
  title: "Hono + queue.add, a row per job",
  configuration: `as above; one \`insert\` per job before \`queue.add\` (one for many jobs before \`addBulk\`), and one \`update\` per job in the processor. The table has a primary key and no other index`,
  usesRedis: true,
  usesPostgres: true,
  requests: torilRequests,
  hasConsumer: true,
  startServer: (context) =>
    startServerScript(context, { script: "servers/hono.ts", runtime: "bun", env: rowEnv }),
  startConsumer: (context) => startWorker(context, rowEnv),
  createJobs({ redis, sql }): TargetJobs {
    const jobs = createBullMqJobs(redis, "bull", "hono-row");
    return {
      ...jobs,
      async count() {
        const [row] = (await sql`
          select count(*)::int as accepted, count(*) filter (where status = 'completed')::int as settled
          from bench.jobs`) as { accepted: number; settled: number }[];
        return row ?? { accepted: 0, settled: 0 };
      },
      async empty(isServed) {
        await jobs.empty(isServed);
        await sql`truncate bench.jobs`;
      },
    };
  },
};

const { post, wait } = torilRequests;

export const express: TargetDefinition = {
  title: "Express + queue.add",
  configuration: `Express on Node; one \`queue.add\` per job; ${worker}. Nothing is written to Postgres`,
  usesRedis: true,
  usesPostgres: false,
  requests: { post, wait },
  hasConsumer: false,
  startServer: (context) =>
    startServerScript(context, { script: "servers/express.ts", runtime: "node" }),
  startConsumer: (context) => startWorker(context, { QUEUE: "express" }),
  createJobs: ({ redis }) => createBullMqJobs(redis, "bull", "express"),
};

function startWorker(context: TargetContext, env: Record<string, string>): Promise<Child> {
  return startWorkerScript(context, { script: "workers/bullmq.ts", runtime: "node", env });
}

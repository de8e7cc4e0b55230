import { torilRequests } from "../requests.ts";
import { startServerScript, startWorkerScript } from "./start-script.ts";
import type { TargetDefinition } from "./target.ts";

const { post, bulk } = torilRequests;

export const pgBoss: TargetDefinition = {
  title: "pg-boss",
  configuration:
    "`send` and, for many jobs, `insert` behind the same Hono front; `work` on Node with batches of 100, `burstWhenBatchFull` and the shortest polling interval (0.5 s), other settings are defaults. With `notify` on the queue, accepting a job cost half as much again",
  peer: "pg-boss",
  usesRedis: false,
  usesPostgres: true,
  requests: { post, bulk },
  hasConsumer: true,
  startServer: (context) =>
    startServerScript(context, { script: "servers/pg-boss.ts", runtime: "bun" }),
  startConsumer: (context) =>
    startWorkerScript(context, { script: "workers/pg-boss.ts", runtime: "node" }),
  createJobs: ({ sql }) => ({
    async countUnfinished() {
      const [row] = (await sql`
        select count(*)::int as count from pgboss.job
        where name = 'bench' and state < 'completed'`) as { count: number }[];
      return row?.count ?? 0;
    },
    async count() {
      const [row] = (await sql`
        select count(*)::int as accepted, count(*) filter (where state = 'completed')::int as settled
        from pgboss.job where name = 'bench'`) as { accepted: number; settled: number }[];
      return row ?? { accepted: 0, settled: 0 };
    },
    async empty() {
      await sql`truncate pgboss.job`;
    },
  }),
};

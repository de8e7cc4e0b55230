import { torilRequests } from "../requests.ts";
import { startServerScript, startWorkerScript } from "./start-script.ts";
import type { TargetDefinition } from "./target.ts";

const { post, bulk } = torilRequests;

/** A sequence numbers the jobs; completed jobs are deleted. */
export const graphileWorker: TargetDefinition = {
  title: "graphile-worker",
  configuration:
    "`addJob` and, for many jobs, `addJobs` behind the same Hono front; `run` on Node with the settings of its page on performance: 24 jobs at a time, a pool of 25, a local queue of 500, `completeJobBatchDelay: 0`, `failJobBatchDelay: 0`. Completed jobs are deleted",
  peer: "graphile-worker",
  usesRedis: false,
  usesPostgres: true,
  requests: { post, bulk },
  hasConsumer: true,
  startServer: (context) =>
    startServerScript(context, { script: "servers/graphile-worker.ts", runtime: "bun" }),
  startConsumer: (context) =>
    startWorkerScript(context, {
      script: "workers/graphile-worker.ts",
      runtime: "node",
      env: { NO_LOG_SUCCESS: "1" },
    }),
  createJobs({ sql }) {
    async function countUnfinished() {
      const [row] = (await sql`
        select count(*)::int as count from graphile_worker._private_jobs`) as { count: number }[];
      return row?.count ?? 0;
    }
    return {
      countUnfinished,
      async count() {
        const [row] = (await sql`
          select (case when is_called then last_value else 0 end)::int as accepted
          from graphile_worker.jobs_id_seq1`) as { accepted: number }[];
        const accepted = row?.accepted ?? 0;
        return { accepted, settled: accepted - (await countUnfinished()) };
      },
      async empty() {
        await sql`truncate graphile_worker._private_jobs restart identity`;
      },
    };
  },
};

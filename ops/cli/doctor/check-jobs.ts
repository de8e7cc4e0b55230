import { parseHeartbeat, silentMs } from "@toril/contract/engine/queues/worker-heartbeat";
import { jobKey, queueKeys, workersKey } from "@toril/contract/engine/redis/names";
import type { Sql } from "postgres";
import type { Finding } from "./finding.ts";

/** The commands that the checks use. */
export interface JobsRedis {
  hgetall(key: string): Promise<Record<string, string>>;
  call(command: string, ...args: string[]): Promise<unknown>;
  hmget(key: string, ...fields: string[]): Promise<(string | null)[]>;
}

interface Pending {
  queue: string;
  count: number;
  /** Pending jobs that are due for more than a minute. */
  overdue: number;
  /** Whether workers that are no Toril consumers take the jobs. */
  isExternal: boolean;
}

/** Number of delayed jobs that are examined per queue. */
const sampleSize = 100;

/** Checks that consumers run and have handlers for the pending jobs. Needs a migrated ledger. */
export async function checkJobs(sql: Sql, redis: JobsRedis, prefix: string): Promise<Finding[]> {
  // Bounded: a ledger may have millions of pending jobs.
  const pending = await sql<Pending[]>`
    select queue, count(*)::int as count,
      (count(*) filter (where coalesce(run_at, created_at) < now() - interval '1 minute'))::int as overdue,
      queue in (select queue from job_types where definition->>'worker' in ('pull', 'bullmq'))
        as "isExternal"
    from (select queue, run_at, created_at from jobs where status = 'pending' order by id limit 100000) as oldest
    group by queue order by queue`;
  const findings: Finding[] = [];
  for (const one of pending) {
    if (one.isExternal) {
      findings.push(...findOverdue(one));
      continue;
    }
    const workers = await redis.hgetall(workersKey(prefix, one.queue));
    const live = Object.entries(workers).filter(
      ([id, text]) => (parseHeartbeat(id, text)?.seenAt ?? 0) > Date.now() - silentMs,
    );
    if (live.length === 0) {
      findings.push({
        check: "no-consumer",
        severity: "error",
        problem: `No consumer serves the queue ${one.queue}, which has ${one.count} pending jobs`,
        remedy: `Start a consumer (\`bun run consumer\`); if BULL_QUEUE_NAME is set, it must contain ${one.queue}`,
      });
    }
    findings.push(...(await findDeferred(redis, prefix, one.queue)));
  }
  return findings;
}

/** Workers over HTTP and stock BullMQ workers send no heartbeat: only their jobs show whether they run. */
function findOverdue({ queue, overdue }: Pending): Finding[] {
  if (overdue === 0) return [];
  return [
    {
      check: "no-worker",
      severity: "warning",
      problem: `${overdue} jobs of the queue ${queue} have been due for more than a minute: its workers do not run, or are too slow`,
      remedy: `Start workers that take jobs of the queue ${queue} (POST /v1/worker/take, or BullMQ)`,
    },
  ];
}

/**
 * Finds jobs that a consumer started and delayed without an attempt, although they were not delayed by the client: a
 * consumer that has no handler for a type does so.
 */
async function findDeferred(redis: JobsRedis, prefix: string, queue: string): Promise<Finding[]> {
  const { delayed } = queueKeys(prefix, queue);
  const ids = (await redis.call("zrange", delayed, "0", String(sampleSize - 1))) as string[];
  const counts = new Map<string, number>();
  for (const id of ids) {
    const key = jobKey(prefix, queue, id);
    const [name, started, made] = await redis.hmget(key, "name", "ats", "atm");
    const isDeferred = Number(started ?? 0) > 0 && Number(made ?? 0) === 0;
    if (name && isDeferred) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Array.from(counts, ([type, count]) => ({
    check: "no-handler",
    severity: "warning" as const,
    problem: `${count} jobs of the type ${type} were delayed without an attempt: their consumer has no handler for it, or a limit defers them`,
    remedy: `Look for "no handler for this type" in the logs of the consumers of the queue ${queue}, and deploy a version that has the handler of ${type}`,
  }));
}

import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { type PipelineRedis, readLiveStates } from "@toril/contract/engine/redis/live-state";
import { bullId, queueKeys } from "@toril/contract/engine/redis/names";
import type { Sql } from "postgres";

/** A job that is pending in the ledger and not so in Redis. */
export interface Difference {
  id: string;
  queue: string;
  type: string;
  /** missing: not in Redis. orphaned: in no list of its queue. finished: ended in Redis only. */
  found: "missing" | "orphaned" | "finished";
  /** What a reconciler does. */
  repair: "redispatch" | "settle";
}

export interface Comparison {
  /** Number of pending jobs that were compared. */
  pending: number;
  differences: Difference[];
}

/** The commands that the comparison uses. */
interface ComparedRedis extends PipelineRedis {
  lpos(key: string, element: string): Promise<number | null>;
}

interface PendingJob {
  id: string;
  generation: number;
  queue: string;
  type: string;
  isDue: boolean;
}

/** As for the reconciler: younger jobs may be on their way to Redis. */
const graceMs = 5000;
const pageSize = 500;
/** Jobs of a queue, from the oldest, that are looked for in its lists. */
const maxListed = 100;

/** Compares the pending jobs of the ledger with Redis, and changes nothing. */
export async function findDifferences(
  sql: Sql,
  redis: ComparedRedis,
  prefix: string,
  signal: AbortSignal,
): Promise<Comparison> {
  const comparison: Comparison = { pending: 0, differences: [] };
  const compare = createPageComparison(sql, redis, prefix);
  let after = lowestId;
  for (;;) {
    signal.throwIfAborted();
    const jobs = await readPending(sql, after);
    const last = jobs.at(-1);
    if (last === undefined) return comparison;
    comparison.pending += jobs.length;
    comparison.differences.push(...(await compare(jobs)));
    after = last.id;
  }
}

function readPending(sql: Sql, after: string): Promise<PendingJob[]> {
  return sql<PendingJob[]>`
    select id, generation, queue, type, coalesce(run_at <= now(), true) as "isDue" from jobs
    where status = 'pending' and waiting_children is not true and id > ${after}
      and created_at < now() - ${graceMs} * interval '1 millisecond'
    order by id limit ${pageSize}`;
}

function createPageComparison(sql: Sql, redis: ComparedRedis, prefix: string) {
  const listedByQueue = new Map<string, number>();
  const readStates = async (jobs: readonly PendingJob[]) => {
    const states = await readLiveStates(redis, prefix, jobs.map(toBullJob));
    return states.map((state) => state?.state);
  };

  async function isListed(job: PendingJob): Promise<boolean> {
    const count = listedByQueue.get(job.queue) ?? 0;
    listedByQueue.set(job.queue, count + 1);
    if (count >= maxListed) return true;
    const { wait, active, paused } = queueKeys(prefix, job.queue);
    for (const list of [wait, paused, active]) {
      if ((await redis.lpos(list, toBullJob(job).bullId)) !== null) return true;
    }
    return false;
  }

  /** Returns the jobs that differ at first sight, with their states. */
  async function findSuspects(jobs: readonly PendingJob[]) {
    const states = await readStates(jobs);
    const suspects: { job: PendingJob; state: string | undefined }[] = [];
    for (const [index, job] of jobs.entries()) {
      const state = states[index];
      const isOrphaned = state === "waiting" && job.isDue && !(await isListed(job));
      if (state === undefined || state === "finished" || isOrphaned) suspects.push({ job, state });
    }
    return suspects;
  }

  return async (jobs: readonly PendingJob[]): Promise<Difference[]> => {
    const suspects = await findSuspects(jobs);
    if (suspects.length === 0) return [];
    // A job that was taken or settled in between no longer differs.
    const states = await readStates(suspects.map(({ job }) => job));
    const ids = suspects.map(({ job }) => job.id);
    const rows = await sql<{ id: string }[]>`
      select id from jobs where status = 'pending' and id = any(${ids}::uuid[])`;
    const pending = new Set(rows.map(({ id }) => id));
    return suspects
      .filter(({ job, state }, index) => pending.has(job.id) && states[index] === state)
      .map(({ job: { id, queue, type }, state }) => ({ id, queue, type, ...toRepair(state) }));
  };
}

function toRepair(state: string | undefined): Pick<Difference, "found" | "repair"> {
  if (state === "finished") return { found: "finished", repair: "settle" };
  return { found: state === undefined ? "missing" : "orphaned", repair: "redispatch" };
}

function toBullJob({ id, generation, queue }: PendingJob) {
  return { queue, bullId: bullId(id, generation) };
}

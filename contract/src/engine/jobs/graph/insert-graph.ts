import type { ISql } from "postgres";
import { insertKeyedJobs } from "../insert/insert-jobs.ts";
import type { RemoveWaiting } from "../insert/replace-waiting.ts";
import { type Accepted, toEntry } from "../insert/insert-entries.ts";
import type { NewJob } from "../enqueue/new-job.ts";

/** Thrown to roll back a graph with a job whose key another job has. */
export class GraphKeyTaken extends Error {
  readonly job: NewJob;
  /** The id of the job that has the key. */
  readonly existing: string;

  constructor(job: NewJob, existing: string) {
    super(`the key of a job in the graph belongs to the job ${existing}`);
    this.job = job;
    this.existing = existing;
  }
}

/**
 * Inserts a graph, root first. Call it in a transaction. If the root is a duplicate, nothing is inserted and the
 * duplicate is returned alone. Throws `GraphKeyTaken` if another job is a duplicate.
 */
export async function insertGraph(
  sql: ISql,
  [root, ...others]: readonly NewJob[],
  removeWaiting: RemoveWaiting,
): Promise<Accepted[]> {
  if (root === undefined) return [];
  const [first] = await insert(sql, [root], removeWaiting);
  if (first === undefined || !first.isNew) return first === undefined ? [] : [first];
  const accepted = await insert(sql, others, removeWaiting);
  for (const [index, entry] of accepted.entries()) {
    const job = others[index];
    if (job !== undefined && !entry.isNew) throw new GraphKeyTaken(job, entry.job.id);
  }
  return [first, ...accepted];
}

async function insert(
  sql: ISql,
  jobs: readonly NewJob[],
  removeWaiting: RemoveWaiting,
): Promise<Accepted[]> {
  const outcomes = await insertKeyedJobs(sql, jobs, removeWaiting);
  return jobs.flatMap((job, index) => {
    const outcome = outcomes[index];
    return outcome === undefined ? [] : [toEntry(job, outcome)];
  });
}

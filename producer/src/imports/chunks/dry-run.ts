import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { findExisting, type InsertOutcome } from "@toril/contract/engine/jobs/insert/find-existing";
import type { ISql } from "postgres";
import type { RecordedCounts } from "./import-chunk.ts";

/** Counts how many jobs would be created, and how many are duplicates of pending jobs or of each other. */
export async function countWithoutRecording(
  sql: ISql,
  jobs: readonly NewJob[],
): Promise<RecordedCounts> {
  const byKey = new Map<string, NewJob>();
  for (const job of jobs) if (job.key !== null && !byKey.has(job.key)) byKey.set(job.key, job);
  const outcomes = new Map<string, InsertOutcome>();
  if (byKey.size > 0) await findExisting(sql, [...byKey.values()], outcomes);
  const existing = [...outcomes.values()].filter(({ status }) => status === "duplicate").length;
  const unkeyed = jobs.filter(({ key }) => key === null).length;
  const created = unkeyed + byKey.size - existing;
  return { created, duplicate: jobs.length - created };
}

import { runIsolating } from "../../batcher.ts";
import { isRowFault, isUniqueViolation } from "../../postgres/errors.ts";
import type { Ledger } from "../../postgres/pool.ts";
import type { ISql, Sql } from "postgres";
import {
  claimIdempotencyKeys,
  type IdempotencyClaim,
  type StoredResponse,
  storeResponses,
} from "../../postgres/idempotency.ts";
import {
  insertJobs,
  insertKeyedJobs,
  insertUnrecordedJobs,
  isAnyRecorded,
  splitJobs,
} from "./insert-jobs.ts";
import type { RemoveWaiting } from "./replace-waiting.ts";
import { GraphKeyTaken, insertGraph } from "../graph/insert-graph.ts";
import { insertThenJob, recordNothingPending } from "../graph/then-job.ts";
import type { NewJob } from "../enqueue/new-job.ts";
import { type Accepted, type Refused, toEntry } from "./insert-entries.ts";

export interface BulkRequest {
  jobs: readonly NewJob[];
  claim?: IdempotencyClaim | undefined;
  /** The jobs form a graph, root first: see `insertGraph`. */
  isGraph?: boolean | undefined;
  /** Runs when all of `jobs` have ended, which name it as their parent. */
  thenJob?: NewJob | undefined;
  /** Builds the response that a replay returns. */
  toResponse?: ((jobs: readonly Accepted[], isDispatched: boolean) => StoredResponse) | undefined;
  /** Runs in the transaction that records the jobs; runs again if the transaction is repeated. */
  alongside?: ((sql: ISql, jobs: readonly Accepted[]) => Promise<void>) | undefined;
}

interface RecordingOptions {
  isDispatchable: boolean;
  isRepeated: boolean;
  removeWaiting: RemoveWaiting;
}

type RecordedMany = { status: "accepted"; jobs: Accepted[] } | Refused;

/**
 * Records the jobs of one request and its response in one transaction. A job is recorded already only if a request or
 * a chunk of an import is repeated; the transaction is then repeated too.
 */
export async function insertBulk(
  client: Sql,
  request: BulkRequest,
  options: RecordingOptions,
): Promise<RecordedMany> {
  if (options.isRepeated) return insertInTransaction(client, request, options, insertJobs);
  try {
    return isOneStatement(request)
      ? {
          status: "accepted",
          jobs: await insertUnkeyed(client, request.jobs, insertUnrecordedJobs),
        }
      : await insertInTransaction(client, request, options, insertUnrecordedJobs);
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return insertInTransaction(client, request, options, insertJobs);
  }
}

/** Returns the jobs of a request, with the one that runs when they have ended. */
export function allJobs({ jobs, thenJob }: BulkRequest): readonly NewJob[] {
  return thenJob === undefined ? jobs : [thenJob, ...jobs];
}

/** Whether one insert does all the work: a transaction around it would add two round trips. */
function isOneStatement({ jobs, claim, alongside, isGraph, thenJob }: BulkRequest): boolean {
  if (isGraph === true || !areUnkeyed(jobs)) return false;
  if ((claim ?? alongside ?? thenJob) !== undefined) return false;
  return splitJobs(jobs).take(2).toArray().length === 1;
}

function areUnkeyed(jobs: readonly NewJob[]): boolean {
  return jobs.every((job) => job.key === null);
}

async function insertInTransaction(
  client: Sql,
  request: BulkRequest,
  { isDispatchable, isRepeated, removeWaiting }: RecordingOptions,
  insert: Insert,
): Promise<RecordedMany> {
  const { jobs, claim, toResponse, alongside, isGraph, thenJob } = request;
  return client.begin(async (sql): Promise<RecordedMany> => {
    const [claimed] = claim === undefined ? [] : await claimIdempotencyKeys(sql, [claim]);
    if (claimed?.status === "stored") {
      // If the jobs exist, the reply to an earlier COMMIT of this same request was lost.
      const isOwn = isRepeated && (await isAnyRecorded(sql, allJobs(request)));
      if (!isOwn) return { status: "replayed", response: claimed.response };
    } else if (claimed !== undefined && claimed.status !== "claimed") {
      return claimed;
    }
    const existing = thenJob && (await insertThenJob(sql, thenJob));
    if (thenJob && existing !== undefined) throw new GraphKeyTaken(thenJob, existing);
    const accepted = await (isGraph === true && !areUnkeyed(jobs)
      ? insertGraph(sql, jobs, removeWaiting)
      : insertMany(sql, jobs, removeWaiting, insert));
    if (thenJob && !accepted.some(({ isNew }) => isNew)) await recordNothingPending(sql, thenJob);
    if (claim && toResponse) {
      await storeResponses(sql, [{ ...claim, response: toResponse(accepted, isDispatchable) }]);
    }
    await alongside?.(sql, accepted);
    return { status: "accepted", jobs: accepted };
  });
}

/** Inserts jobs without keys, and returns when they were recorded. */
type Insert = (sql: ISql, jobs: readonly NewJob[]) => Promise<string>;

async function insertUnkeyed(
  sql: ISql,
  jobs: readonly NewJob[],
  insert: Insert,
): Promise<Accepted[]> {
  let createdAt = "";
  for (const part of splitJobs(jobs)) createdAt = await insert(sql, part);
  return jobs.map((job) => toEntry(job, { status: "created", createdAt }));
}

async function insertMany(
  sql: ISql,
  jobs: readonly NewJob[],
  removeWaiting: RemoveWaiting,
  insert: Insert,
): Promise<Accepted[]> {
  if (areUnkeyed(jobs)) return insertUnkeyed(sql, jobs, insert);
  const recorded = await insertKeyedJobs(sql, jobs, removeWaiting);
  return jobs.flatMap((job, index) => {
    const outcome = recorded[index];
    return outcome === undefined ? [] : [toEntry(job, outcome)];
  });
}

/** Finds the jobs that Postgres cannot store, by inserting and rolling back. */
export async function findRefused(
  ledger: Ledger,
  jobs: readonly NewJob[],
  deadline: number,
): Promise<NewJob[]> {
  const refused = await runIsolating(
    jobs,
    (part) =>
      ledger.retryUntil(
        (sql) =>
          sql.begin(async (tx) => {
            await insertJobs(tx, part);
            await tx`rollback and chain`;
            return part.map(() => undefined);
          }),
        deadline,
      ),
    isRowFault,
    (job): NewJob | undefined => job,
  );
  return refused.filter((job) => job !== undefined);
}

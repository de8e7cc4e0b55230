import type { ISql } from "postgres";
import { AcceptedJob } from "../../../api/jobs/accepted-job.ts";
import {
  claimIdempotencyKeys,
  type Claimed,
  type IdempotencyClaim,
  type StoredResponse,
  storeResponses,
} from "../../postgres/idempotency.ts";
import { isIdempotencyKeyInUse } from "../../postgres/errors.ts";
import type { CancelledJob } from "../change/cancel.ts";
import type { InsertOutcome } from "./find-existing.ts";
import { insertKeyedJobs } from "./insert-jobs.ts";
import type { RemoveWaiting } from "./replace-waiting.ts";
import { type NewJob, toAcceptedJob } from "../enqueue/new-job.ts";

/** A request to enqueue one job. */
export interface SingleEntry {
  job: NewJob;
  claim?: IdempotencyClaim | undefined;
}

export type InsertedEntry =
  | { status: "accepted"; job: AcceptedJob; isNew: boolean; replaced?: CancelledJob | undefined }
  | { status: "replayed"; response: StoredResponse }
  | { status: "reused" }
  /** Another request is using the Idempotency-Key. */
  | { status: "in-use" }
  /** Another transaction held the job's key or a table lock for too long; nothing was recorded. */
  | { status: "busy" };

export type Accepted = InsertedEntry & { status: "accepted" };
export type Refused = Exclude<InsertedEntry, Accepted>;

export type Enqueued =
  | (Accepted & { isDispatched: boolean })
  | Refused
  /** Postgres cannot store the job. */
  | { status: "unstorable" };

/** Converts the outcome of an insert to the accepted entry. */
export function toEntry(job: NewJob, recorded: InsertOutcome): Accepted {
  if (recorded.status === "duplicate") {
    return { status: "accepted", isNew: false, job: toAcceptedJob(recorded.job, "duplicate") };
  }
  const { createdAt, replaced } = recorded;
  // A copy of all fields would cost more than the response.
  const { id, type, queue, key, runAt } = job;
  const accepted = { id, type, queue, key, runAt, status: "pending" as const, createdAt };
  return {
    status: "accepted",
    isNew: true,
    job: toAcceptedJob(accepted, "created", replaced?.id),
    replaced,
  };
}

/** Builds the response to a single enqueue, which is stored for replays. */
export function toResponse(job: AcceptedJob, isDispatched: boolean): StoredResponse {
  if (job.outcome === "duplicate") return { status: 200, body: job };
  return { status: isDispatched ? 201 : 202, body: job };
}

/**
 * Records entries with keys or Idempotency-Keys, including their responses. Call it in a transaction. Entries of one
 * batch that are the same request follow the first one.
 * @param isDispatchable whether jobs of a queue are expected to be dispatched, as the responses state
 */
export async function insertEntries(
  sql: ISql,
  entries: readonly SingleEntry[],
  isDispatchable: (queue: string) => boolean,
  removeWaiting: RemoveWaiting,
): Promise<InsertedEntry[]> {
  const leaders = new Map<string, SingleEntry & { claim: IdempotencyClaim }>();
  for (const { job, claim } of entries) {
    if (claim !== undefined && !leaders.has(identity(claim))) {
      leaders.set(identity(claim), { job, claim });
    }
  }
  const leading = [...leaders].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  const claimed = new Map<NewJob, Claimed>();
  if (leading.length > 0) {
    const outcomes = await claimIdempotencyKeys(
      sql,
      leading.map((entry) => entry.claim),
    );
    for (const [index, { job }] of leading.entries()) {
      const outcome = outcomes[index];
      if (outcome !== undefined) claimed.set(job, outcome);
    }
  }
  const toInsert = entries
    .filter(({ job, claim }) => claim === undefined || claimed.get(job)?.status === "claimed")
    .map((entry) => entry.job);
  const recorded = new Map<NewJob, Accepted>();
  for (const [index, outcome] of (await insertKeyedJobs(sql, toInsert, removeWaiting)).entries()) {
    const job = toInsert[index];
    if (job !== undefined) recorded.set(job, toEntry(job, outcome));
  }
  const responses = leading.flatMap(({ job, claim }) => {
    const entry = recorded.get(job);
    return entry === undefined
      ? []
      : [{ ...claim, response: toResponse(entry.job, isDispatchable(entry.job.queue)) }];
  });
  if (responses.length > 0) await storeResponses(sql, responses);
  return entries.map(({ job, claim }) => {
    const own = recorded.get(job);
    if (own !== undefined || claim === undefined) return own ?? { status: "in-use" };
    const leader = leaders.get(identity(claim));
    const entry = leader && recorded.get(leader.job);
    if (entry !== undefined) {
      return {
        status: "replayed",
        response: toResponse(entry.job, isDispatchable(entry.job.queue)),
      };
    }
    return follow(job, leader && claimed.get(leader.job));
  });
}

function follow(job: NewJob, claimed: Claimed | undefined): InsertedEntry {
  if (claimed?.status !== "stored") {
    return { status: claimed?.status === "reused" ? "reused" : "in-use" };
  }
  const { response } = claimed;
  // If the response has this job's id, the reply to an earlier COMMIT of this same entry was lost.
  const first = AcceptedJob.safeParse(response.body);
  if (first.data?.id === job.id) return { status: "accepted", job: first.data, isNew: true };
  return { status: "replayed", response };
}

/** Requests with equal identities are the same request. */
export function identity({ tenant, key, requestHash }: IdempotencyClaim): string {
  return JSON.stringify([tenant, key, requestHash]);
}

export function toLockRefusal(error: unknown): Refused {
  return { status: isIdempotencyKeyInUse(error) ? "in-use" : "busy" };
}

export function replacedBy(entry: InsertedEntry): readonly CancelledJob[] {
  return entry.status === "accepted" && entry.replaced ? [entry.replaced] : none;
}

const none: readonly CancelledJob[] = [];

export function isNew(entry: InsertedEntry | undefined): boolean {
  return entry?.status === "accepted" && entry.isNew;
}

import type { ISql } from "postgres";
import type { Job } from "@toril/contract/api/job";
import { callerOf } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import { findJobRow, type JobRow } from "../jobs/read-jobs.ts";
import { redactJob } from "../jobs/shown-data.ts";

/** A response as stored for replays. */
export interface KeptResponse {
  status: number;
  /** Header values by name. */
  headers?: Record<string, string>;
  /** The JSON body. */
  answer: unknown;
}

/**
 * Stores a response in the transaction that does the request's work, so that a replay finds both or neither. The
 * response that is sent replaces it.
 */
export type KeepResponse = (tx: ISql, response: KeptResponse) => Promise<void>;

/**
 * Returns a callback that stores the response about a job in the transaction that changes the job; undefined if the
 * response is not stored.
 * @param describe must not wait for anything that the transaction does not wait for anyway
 */
export function keepingJob(
  exchange: RequestContext,
  id: string,
  describe: (row: JobRow) => Job | Promise<Job>,
  response: Omit<KeptResponse, "answer">,
): ((tx: ISql) => Promise<void>) | undefined {
  const { keepResponse } = exchange;
  if (keepResponse === undefined) return undefined;
  return async (tx) => {
    const row = await findJobRow(tx, callerOf(exchange).tenant, id);
    if (row === undefined) return;
    const answer = redactJob(exchange, await describe(row));
    await keepResponse(tx, { ...response, answer });
  };
}

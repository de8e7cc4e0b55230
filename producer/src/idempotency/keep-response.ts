import type { ISql } from "postgres";
import type { Job } from "@toril/contract/api/job";
import { callerOf } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import { findJobRow, type JobRow } from "../jobs/read-jobs.ts";
import { changedJob } from "../jobs/shown-data.ts";

/** A response as it is stored for repetitions of its request. */
export interface KeptResponse {
  status: number;
  /** By their names. */
  headers?: Record<string, string>;
  /** JSON. */
  answer: unknown;
}

/**
 * Stores the response of a request in the transaction that does its work, so that a repetition finds both or neither. The
 * response that is sent replaces it.
 */
export type KeepResponse = (tx: ISql, response: KeptResponse) => Promise<void>;

/**
 * Keeps a response about a job in the transaction that changes the job; undefined when the request is not to be repeated.
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
    const answer = changedJob(exchange, await describe(row));
    await keepResponse(tx, { ...response, answer });
  };
}

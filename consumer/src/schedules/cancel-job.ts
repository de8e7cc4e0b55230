import { cancelJobs, type EndedRun } from "@toril/contract/change/cancel";
import type { Withdraw } from "@toril/contract/change/withdraw";
import type { JobError } from "@toril/contract/job";
import type { ISql } from "postgres";

export interface CancelJob {
  /** Ends a pending job in the ledger; undefined when it is pending no more. */
  record(tx: ISql, id: string, error: JobError): Promise<EndedRun | undefined>;
  /** After the commit: takes it out of Redis, or tells whoever runs it. */
  forget(job: EndedRun): Promise<void>;
}

export function createCancelJob(withdraw: Withdraw): CancelJob {
  return {
    record: async (tx, id, error) => (await cancelJobs(tx, [{ id }], error))[0],
    forget: (job) => withdraw([job]),
  };
}

import { cancelJobs } from "@toril/contract/change/cancel";
import { changeJob, type Changed, type JobChange } from "@toril/contract/change/change";
import { deleteDead } from "@toril/contract/change/delete";
import type { PlaceRuns } from "@toril/contract/change/place-runs";
import { type Promoted, promoteJobs } from "@toril/contract/change/promote";
import { type Retry, retryJobs } from "@toril/contract/change/retry";
import { lockVersion } from "@toril/contract/change/version";
import type { Withdraw } from "@toril/contract/change/withdraw";
import type { Move, Moved } from "@toril/contract/dispatch/move";
import type { Breaker } from "@toril/contract/enqueue/breaker";
import { isUniqueViolation } from "@toril/contract/ledger/errors";
import type { Ledger } from "@toril/contract/ledger/pool";
import type { ISql } from "postgres";
import type { CheckVersion } from "./etag.ts";

/** What clients change about jobs: in the ledger, then in Redis. Nothing is changed when a `CheckVersion` throws. */
export interface JobChanges {
  /** Does nothing to a job that has ended. */
  cancel(id: string, check?: CheckVersion): Promise<void>;
  /** @returns the ids that are pending again; the others are pending already, or their key is taken */
  retry(
    ids: readonly string[],
    retry: Retry,
    /** Of the first id. */
    check?: CheckVersion,
  ): Promise<ReadonlySet<string>>;
  /** @returns whether it was dead */
  deleteDead(id: string): Promise<boolean>;
  /** Undefined for a job that has ended. */
  promote(id: string, check?: CheckVersion): Promise<Promoted | "away" | undefined>;
  change(id: string, change: JobChange, check: CheckVersion): Promise<Changed | { status: "away" }>;
}

export interface JobChangesDeps {
  ledger: Ledger;
  breaker: Breaker;
  withdraw: Withdraw;
  placeRuns: PlaceRuns;
  move: Move;
}

export function createJobChanges(deps: JobChangesDeps): JobChanges {
  const { ledger, breaker, withdraw, placeRuns, move } = deps;

  /** Holds the job while it is changed, so that it still has the version that was checked. */
  async function inVersion<Result>(
    id: string | undefined,
    check: CheckVersion | undefined,
    work: (sql: ISql) => Promise<Result>,
  ): Promise<Result> {
    if (check === undefined || id === undefined) return ledger.run(work);
    return ledger.run(async (sql) => {
      const { result } = await sql.begin(async (tx) => {
        const version = await lockVersion(tx, id);
        if (version !== undefined) check(version);
        return { result: await work(tx) };
      });
      return result;
    });
  }

  async function retryFree(ids: readonly string[], retry: Retry, check?: CheckVersion) {
    const work = () => inVersion(ids[0], check, (sql) => retryJobs(sql, ids, retry));
    try {
      return await work();
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      // A key was taken at this moment, and is seen to be taken now.
      return work();
    }
  }

  /** Whatever the transaction wrote is undone when Redis does not follow. */
  const moveOrLeave: Move = async (queue, movements) => {
    let states: Moved[] = [];
    const isMoved = await breaker.attempt(async () => {
      states = await move(queue, movements);
    });
    if (!isMoved) throw new Left({ status: "away" });
    return states;
  };

  return {
    async cancel(id, check) {
      const ended = await inVersion(id, check, (sql) => cancelJobs(sql, [{ id }]));
      if (ended.length > 0) await breaker.attempt(() => withdraw(ended));
    },
    async retry(ids, retry, check) {
      const runs = await retryFree(ids, retry, check);
      if (runs.length > 0) await breaker.attempt(() => placeRuns(runs));
      return new Set(runs.map(({ id }) => id));
    },
    async deleteDead(id) {
      const gone = await ledger.run((sql) => deleteDead(sql, [id]));
      if (gone.length > 0) await breaker.attempt(() => withdraw(gone));
      return gone.length > 0;
    },
    async promote(id, check) {
      try {
        const outcomes = await ledger.run((sql) =>
          sql.begin(async (tx) => {
            const version = check && (await lockVersion(tx, id));
            if (version !== undefined) check?.(version);
            return promoteJobs(tx, [id], moveOrLeave);
          }),
        );
        return outcomes.get(id);
      } catch (error) {
        if (error instanceof Left) return "away";
        throw error;
      }
    },
    async change(id, change, check) {
      try {
        return await ledger.run((sql) =>
          sql.begin(async (tx) => {
            const outcome = await changeJob(tx, id, change, check, moveOrLeave);
            if (outcome.status === "active" || outcome.status === "unfound")
              throw new Left(outcome);
            return outcome;
          }),
        );
      } catch (error) {
        if (error instanceof Left) return error.outcome;
        throw error;
      }
    },
  };
}

/** Thrown in a transaction that is to change nothing. */
class Left extends Error {
  readonly outcome: Changed | { status: "away" };

  constructor(outcome: Changed | { status: "away" }) {
    super(outcome.status);
    this.outcome = outcome;
  }
}

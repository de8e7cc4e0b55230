import { cancelJobs } from "@toril/contract/change/cancel";
import { changeJob, type Changed, type JobChange } from "@toril/contract/change/change";
import { deleteDead } from "@toril/contract/change/delete";
import type { PlaceRuns } from "@toril/contract/change/place-runs";
import { type Promoted, promoteJobs } from "@toril/contract/change/promote";
import { type Retry, retryJobs } from "@toril/contract/change/retry";
import type { Withdraw } from "@toril/contract/change/withdraw";
import type { Move, Moved } from "@toril/contract/dispatch/move";
import type { Breaker } from "@toril/contract/enqueue/breaker";
import { isUniqueViolation } from "@toril/contract/ledger/errors";
import type { Ledger } from "@toril/contract/ledger/pool";

/** What clients change about jobs: in the ledger, then in Redis. */
export interface JobChanges {
  /** Does nothing to a job that has ended. */
  cancel(id: string): Promise<void>;
  /** @returns the ids that are pending again; the others are pending already, or their key is taken */
  retry(ids: readonly string[], retry: Retry): Promise<ReadonlySet<string>>;
  /** @returns whether it was dead */
  deleteDead(id: string): Promise<boolean>;
  /** Undefined for a job that has ended. */
  promote(id: string): Promise<Promoted | "away" | undefined>;
  change(
    id: string,
    asked: { change: JobChange; ifMatch: string },
  ): Promise<Changed | { status: "away" }>;
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

  async function retryFree(ids: readonly string[], retry: Retry) {
    try {
      return await ledger.run((sql) => retryJobs(sql, ids, retry));
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      // A key was taken at this moment, and is seen to be taken now.
      return ledger.run((sql) => retryJobs(sql, ids, retry));
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
    async cancel(id) {
      const ended = await ledger.run((sql) => cancelJobs(sql, [{ id }]));
      if (ended.length > 0) await breaker.attempt(() => withdraw(ended));
    },
    async retry(ids, retry) {
      const runs = await retryFree(ids, retry);
      if (runs.length > 0) await breaker.attempt(() => placeRuns(runs));
      return new Set(runs.map(({ id }) => id));
    },
    async deleteDead(id) {
      const gone = await ledger.run((sql) => deleteDead(sql, [id]));
      if (gone.length > 0) await breaker.attempt(() => withdraw(gone));
      return gone.length > 0;
    },
    async promote(id) {
      try {
        const outcomes = await ledger.run((sql) =>
          sql.begin((tx) => promoteJobs(tx, [id], moveOrLeave)),
        );
        return outcomes.get(id);
      } catch (error) {
        if (error instanceof Left) return "away";
        throw error;
      }
    },
    async change(id, asked) {
      try {
        return await ledger.run((sql) =>
          sql.begin(async (tx) => {
            const outcome = await changeJob(tx, id, asked, moveOrLeave);
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

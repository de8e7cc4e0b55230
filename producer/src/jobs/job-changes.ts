import { cancelJobs } from "@toril/contract/engine/jobs/change/cancel";
import { changeJob, type Changed, type JobChange } from "@toril/contract/engine/jobs/change/change";
import { deleteDead } from "@toril/contract/engine/jobs/change/delete";
import { createDispatchGenerations } from "@toril/contract/engine/jobs/change/dispatch-generations";
import { type Promoted, promoteJobs } from "@toril/contract/engine/jobs/change/promote";
import { type RetriedJob, type Retry, retryJobs } from "@toril/contract/engine/jobs/change/retry";
import { lockVersion } from "@toril/contract/engine/jobs/change/version";
import type { RemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import type { Move, Moved } from "@toril/contract/engine/redis/scripts/move";
import type { Dispatch } from "@toril/contract/engine/redis/scripts/dispatch";
import type { Remove } from "@toril/contract/engine/redis/scripts/remove";
import type { Breakers } from "@toril/contract/engine/jobs/enqueue/breaker";
import { removeFromRedisGuarded } from "@toril/contract/engine/jobs/enqueue/dispatcher";
import { isUniqueViolation } from "@toril/contract/engine/postgres/errors";
import type { Logger } from "pino";
import type { ISql, Sql } from "postgres";
import type { CheckVersion } from "../http/etag.ts";
import type { TenantLedger } from "../stores/postgres.ts";

/** Runs in the transaction of a change that takes effect; throwing rolls the change back. */
export type Alongside = (tx: ISql, ids: ReadonlySet<string>) => Promise<void>;

interface ChangeOptions {
  /** Checks the version of the first id. */
  check?: CheckVersion | undefined;
  alongside?: Alongside | undefined;
}

/** Changes that clients make to jobs: first in Postgres, then in Redis. Nothing changes if a `CheckVersion` throws. */
export interface JobChanges {
  /** Does nothing if the job has ended. */
  cancel(tenant: string, id: string, check?: CheckVersion): Promise<void>;
  /** @returns the ids that were retried; the others are pending already, or another pending job has their key */
  retry(
    tenant: string,
    ids: readonly string[],
    retry: Retry,
    options?: ChangeOptions,
  ): Promise<ReadonlySet<string>>;
  /** @returns whether the job was dead */
  deleteDead(tenant: string, id: string): Promise<boolean>;
  /** Returns undefined if the job has ended. */
  promote(
    tenant: string,
    id: string,
    options?: ChangeOptions,
  ): Promise<Promoted | "unavailable" | undefined>;
  change(
    tenant: string,
    id: string,
    change: JobChange,
    check: CheckVersion,
  ): Promise<Changed | { status: "unavailable" }>;
}

export interface JobChangesDeps {
  ledger: TenantLedger;
  breakers: Breakers;
  removeFromRedis: RemoveFromRedis;
  dispatch: Dispatch;
  remove: Remove;
  move: Move;
  log: Pick<Logger, "warn">;
}

export function createJobChanges(deps: JobChangesDeps): JobChanges {
  const { ledger, breakers, removeFromRedis, dispatch, remove, move, log } = deps;
  // The breaker guards each Redis step separately, so that a Postgres error between them does not count against Redis.
  const createDispatchFor = (tenant: string) =>
    createDispatchGenerations({
      ledger: {
        run: <Result>(work: (sql: Sql) => Promise<Result>) => ledger.run(tenant, work),
      },
      dispatch: (queue, jobs) => breakers.attempt(queue, () => dispatch(queue, jobs)),
      remove: (queue, ids, mode) => breakers.attempt(queue, () => remove(queue, ids, mode)),
    });

  /** Locks the job during the change, so that it keeps the version that was checked. */
  async function withVersion<Result>(
    tenant: string,
    id: string | undefined,
    { check, alongside }: ChangeOptions,
    work: (sql: ISql) => Promise<Result>,
  ): Promise<Result> {
    if (check === undefined && alongside === undefined) return ledger.run(tenant, work);
    return ledger.run(tenant, async (sql) => {
      const { result } = await sql.begin(async (tx) => {
        const isChecked = check !== undefined && id !== undefined;
        const version = isChecked ? await lockVersion(tx, id) : undefined;
        if (version !== undefined) check?.(version);
        return { result: await work(tx) };
      });
      return result;
    });
  }

  async function retryOnConflict(
    tenant: string,
    ids: readonly string[],
    retry: Retry,
    options: ChangeOptions,
  ) {
    const work = () =>
      withVersion(tenant, ids[0], options, async (sql) => {
        const retriedJobs = await retryJobs(sql, ids, retry);
        if (retriedJobs.length > 0) await options.alongside?.(sql, getIds(retriedJobs));
        return retriedJobs;
      });
    try {
      return await work();
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      // The key was taken concurrently; a second try sees that.
      return work();
    }
  }

  /** Throws if Redis cannot be changed, which rolls the transaction back. */
  const moveOrRollBack: Move = async (queue, movements) => {
    let states: Moved[] = [];
    const isMoved = await breakers.attempt(queue, async () => {
      states = await move(queue, movements);
    });
    if (!isMoved) throw new Rollback({ status: "unavailable" });
    return states;
  };

  /** Jobs that cannot be dispatched now are dispatched by the reconciler. */
  async function dispatchOrDefer(tenant: string, retriedJobs: readonly RetriedJob[]) {
    try {
      await createDispatchFor(tenant)(retriedJobs);
    } catch (error) {
      log.warn({ err: error }, "retried jobs are dispatched later");
    }
  }

  return {
    async cancel(tenant, id, check) {
      const cancelledJobs = await withVersion(tenant, id, { check }, (sql) =>
        cancelJobs(sql, [{ id }]),
      );
      await removeFromRedisGuarded(breakers, removeFromRedis, cancelledJobs);
    },
    async retry(tenant, ids, retry, options = {}) {
      const retriedJobs = await retryOnConflict(tenant, ids, retry, options);
      await dispatchOrDefer(tenant, retriedJobs);
      return getIds(retriedJobs);
    },
    async deleteDead(tenant, id) {
      const deletedJobs = await ledger.run(tenant, (sql) => deleteDead(sql, [id]));
      await removeFromRedisGuarded(breakers, removeFromRedis, deletedJobs);
      return deletedJobs.length > 0;
    },
    async promote(tenant, id, { check, alongside } = {}) {
      try {
        const outcomes = await ledger.run(tenant, (sql) =>
          sql.begin(async (tx) => {
            const version = check && (await lockVersion(tx, id));
            if (version !== undefined) check?.(version);
            const promoted = await promoteJobs(tx, [id], moveOrRollBack);
            if (promoted.get(id) === "promoted") await alongside?.(tx, new Set([id]));
            return promoted;
          }),
        );
        return outcomes.get(id);
      } catch (error) {
        if (error instanceof Rollback) return "unavailable";
        throw error;
      }
    },
    async change(tenant, id, change, check) {
      try {
        return await ledger.run(tenant, (sql) =>
          sql.begin(async (tx) => {
            const outcome = await changeJob(tx, id, change, check, moveOrRollBack);
            if (outcome.status === "active" || outcome.status === "not-found")
              throw new Rollback(outcome);
            return outcome;
          }),
        );
      } catch (error) {
        if (error instanceof Rollback) return error.outcome;
        throw error;
      }
    },
  };
}

function getIds(retriedJobs: readonly RetriedJob[]): ReadonlySet<string> {
  return new Set(retriedJobs.map(({ id }) => id));
}

/** Thrown to roll a transaction back. */
class Rollback extends Error {
  readonly outcome: Changed | { status: "unavailable" };

  constructor(outcome: Changed | { status: "unavailable" }) {
    super(outcome.status);
    this.outcome = outcome;
  }
}

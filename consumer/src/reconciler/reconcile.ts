import type { ApplySettings } from "@toril/contract/engine/queues/queue-settings";
import { enforceQueueSettings } from "@toril/contract/engine/queues/settings-ledger";
import type { DispatchEntry } from "@toril/contract/engine/redis/scripts/dispatch";
import type { Remove } from "@toril/contract/engine/redis/scripts/remove";
import type { ScriptRedis } from "@toril/contract/engine/redis/scripts/script";
import type { Logger } from "pino";
import type { Sql } from "postgres";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { waitForAbort, sleep } from "../wait.ts";
import { createSettleEnded, type EndingRedis } from "./ended/settle-ended.ts";
import { runExpiry } from "./expire.ts";
import { createFinishEvents } from "./ended/finish-events.ts";
import { type LeaderConnection, type Leadership, leadOnce } from "./leadership.ts";
import { createJobInspector, createOrphanDetector } from "./pending/orphan-detector.ts";
import { createRedispatch } from "./pending/redispatch.ts";
import { createPass, createPassSchedule } from "./pending/pass.ts";
import { createReconcileJobs, type RepairCounts } from "./pending/reconcile-jobs.ts";
import { readNode } from "./redis-node.ts";
import { createUndispatched } from "./pending/undispatched.ts";
import { restoreSettings } from "./queue-settings.ts";
import type { Settler } from "@toril/contract/engine/jobs/attempt/settle";

export interface Reconciler {
  start(): void;
  /** Requests another pass, now or right after the current pass. */
  wake(reason: string): void;
  close(): Promise<void>;
}

export interface PassReport extends RepairCounts {
  reason: string;
  ms: number;
}

export interface ReconcilerDeps {
  jobTypes: JobTypeRegistry;
  /** Opens a postgres.js client for the connection that holds the leader lock. */
  openLeaderClient(connection: LeaderConnection): Sql;
  /** Commands must have a timeout. */
  redis: ScriptRedis & EndingRedis & { readonly status: string };
  prefix: string;
  dispatch(queue: string, jobs: readonly DispatchEntry[]): Promise<unknown>;
  remove: Remove;
  apply: ApplySettings;
  settler: Pick<Settler, "settle">;
  /** Further tasks of the leader, which end with the leadership. */
  maintenanceTasks?: readonly ((leadership: Leadership) => Promise<void>)[];
  intervalMs: number;
  /** Minimum age by Postgres' clock; a younger job may still be on its way to Redis. */
  graceMs: number;
  pageSize?: number;
  /** Interval of the dispatch of jobs that were noted as undispatched. */
  undispatchedEveryMs?: number;
  /** Interval between attempts to become the leader. */
  electEveryMs?: number;
  /** Time of silence after which Postgres ends a leader's session; the next election then replaces the leader. */
  sessionMs?: number;
  log: Pick<Logger, "info" | "warn" | "error">;
  onPass?(report: PassReport): void;
  /** Reports repairs outside of a pass. */
  onRepaired?(counts: RepairCounts): void;
  onPassFailed?(): void;
  onLead?(isLeading: boolean): void;
}

/**
 * Reconciles Redis with the ledger: re-dispatches pending jobs that Redis lost and settles jobs that finished in Redis.
 * One process is the leader and makes passes: on election, on wake, and at the interval.
 */
export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const {
    redis,
    prefix,
    dispatch,
    settler,
    graceMs,
    electEveryMs = 5000,
    sessionMs = 8000,
    log,
  } = deps;
  const schedule = createPassSchedule(deps);
  const inspector = createJobInspector(redis, prefix);
  const endings = createSettleEnded({ ...deps });
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  let isPostgresAway = false;

  async function tryPass(pass: () => Promise<RepairCounts>, reason: string, signal: AbortSignal) {
    const startedAt = performance.now();
    try {
      const counts = await pass();
      // The pass is incomplete: the next leader continues it.
      if (signal.aborted) return;
      const report = { reason, ...counts, ms: Math.round(performance.now() - startedAt) };
      const { redispatched, postponed, settled } = counts;
      if (redispatched + postponed + settled > 0)
        log.info(report, "reconciled Redis with the ledger");
      deps.onPass?.(report);
    } catch (error) {
      if (signal.aborted) return;
      deps.onPassFailed?.();
      log.warn({ err: error, reason }, "reconciler pass failed");
    }
  }

  function createWalks(leadership: Leadership) {
    const { signal } = leadership;
    const walk = {
      leadership,
      begin: createReconcileJobs({
        signal,
        endings,
        openEvents: (queue) => createFinishEvents(redis, prefix, queue),
        openRedispatch: () =>
          createRedispatch({
            leadership,
            dispatch,
            readNode: (queue) => readNode(redis, prefix, queue),
            restoreSettings: (queue) =>
              leadership.run((sql) => enforceQueueSettings(sql, queue, deps.apply)),
          }),
        log,
      }),
      isRedisReady: () => redis.status === "ready",
      graceMs,
      pageSize: deps.pageSize ?? 500,
    };
    const reconcilePending = createPass({
      ...walk,
      orphanDetector: createOrphanDetector(inspector),
    });
    const undispatched = createUndispatched({
      ...walk,
      orphanDetector: createOrphanDetector(inspector, { maxListed: 0 }),
      everyMs: deps.undispatchedEveryMs ?? 1000,
      onDispatched: deps.onRepaired,
      log,
    });
    return { reconcilePending, undispatched };
  }

  async function makePasses(
    leadership: Leadership,
    { reconcilePending, undispatched }: ReturnType<typeof createWalks>,
  ) {
    const { signal } = leadership;
    const pass = async (reason: string) => {
      await undispatched.dispatchAll();
      await restoreSettings({ leadership, apply: deps.apply, log });
      return reconcilePending(() => schedule.isUrgent(reason));
    };
    for (
      let reason = schedule.begin();
      !signal.aborted;
      reason = await schedule.next(reason, signal)
    ) {
      if (redis.status === "ready") await tryPass(() => pass(reason), reason, signal);
    }
  }

  async function lead(leadership: Leadership) {
    const { signal } = leadership;
    isPostgresAway = false;
    log.info("became the leader");
    deps.onLead?.(true);
    // A settlement waits for Postgres without a limit; neither the next leadership nor the shutdown waits for a
    // settlement.
    const { remove } = deps;
    const walks = createWalks(leadership);
    const tasks = [
      makePasses(leadership, walks),
      walks.undispatched.watch(),
      runExpiry({ leadership, remove, settler, log }),
    ];
    for (const task of deps.maintenanceTasks ?? []) tasks.push(task(leadership));
    await Promise.race([Promise.all(tasks), waitForAbort(signal)]);
    deps.onLead?.(false);
    if (!stop.signal.aborted) log.warn("lost the leadership");
  }

  async function run() {
    while (!stop.signal.aborted) {
      try {
        await leadOnce(
          { open: deps.openLeaderClient, electEveryMs, sessionMs, stop: stop.signal },
          lead,
        );
      } catch (error) {
        if (!isPostgresAway) log.warn({ err: error }, "lost the leader's connection to Postgres");
        isPostgresAway = true;
      }
      await sleep(electEveryMs, stop.signal);
    }
  }

  return {
    start() {
      running ??= run();
    },
    wake: schedule.wake,
    async close() {
      stop.abort();
      await running;
    },
  };
}

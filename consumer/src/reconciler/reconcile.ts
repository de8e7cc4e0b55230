import type { ApplySettings } from "@toril/contract/engine/queues/queue-settings";
import type { DispatchEntry } from "@toril/contract/engine/redis/dispatch";
import type { Remove } from "@toril/contract/engine/redis/remove";
import type { ScriptRedis } from "@toril/contract/engine/redis/script";
import type { Logger } from "pino";
import type { Sql } from "postgres";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { waitForAbort, sleep } from "../wait.ts";
import { createSettleEnded, type EndingRedis } from "./settle-ended.ts";
import { runExpiry } from "./expire.ts";
import { createFinishEvents } from "./finish-events.ts";
import { type LeaderConnection, type Leadership, leadOnce } from "./leadership.ts";
import { createJobInspector, createOrphanDetector } from "./orphan-detector.ts";
import { hasMemory, createRedispatch } from "./redispatch.ts";
import { createPass, type PassCounts, createPassSchedule } from "./pass.ts";
import { restoreSettings } from "./queue-settings.ts";
import type { Settler } from "@toril/contract/engine/jobs/attempt/settle";

export interface Reconciler {
  start(): void;
  /** Requests another pass, now or right after the current pass. */
  wake(reason: string): void;
  close(): Promise<void>;
}

export interface PassReport extends PassCounts {
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
  /** Interval between attempts to become the leader. */
  electEveryMs?: number;
  /** Time of silence after which Postgres ends a leader's session; the next election then replaces the leader. */
  sessionMs?: number;
  log: Pick<Logger, "info" | "warn" | "error">;
  onPass?(report: PassReport): void;
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

  async function tryPass(pass: () => Promise<PassCounts>, reason: string, signal: AbortSignal) {
    const startedAt = performance.now();
    try {
      const counts = await pass();
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

  async function makePasses(leadership: Leadership) {
    const { signal } = leadership;
    const { apply } = deps;
    const restore = () => restoreSettings({ leadership, apply, log });
    const reconcilePending = createPass({
      leadership,
      orphanDetector: createOrphanDetector(inspector),
      endings,
      openEvents: (queue) => createFinishEvents(redis, prefix, queue),
      redispatch: createRedispatch({
        leadership,
        async dispatch(queue, jobs) {
          // Paused jobs must not start when re-dispatched, and Redis may have been flushed a moment ago.
          await restore();
          await dispatch(queue, jobs);
        },
        hasMemory: (queue) => hasMemory(redis, prefix, queue),
      }),
      graceMs,
      pageSize: deps.pageSize ?? 500,
      log,
    });
    const pass = async () => {
      await restore();
      return reconcilePending();
    };
    for (
      let reason = schedule.begin();
      !signal.aborted;
      reason = await schedule.next(reason, signal)
    ) {
      if (redis.status === "ready") await tryPass(pass, reason, signal);
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
    const tasks = [makePasses(leadership), runExpiry({ leadership, remove, settler, log })];
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

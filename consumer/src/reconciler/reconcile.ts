import type { ApplySettings } from "@toril/contract/engine/redis/queue-settings";
import type { DispatchEntry } from "@toril/contract/engine/redis/dispatch";
import type { Remove } from "@toril/contract/engine/redis/remove";
import type { ScriptRedis } from "@toril/contract/engine/redis/script";
import type { Logger } from "pino";
import type { Sql } from "postgres";
import { aborted } from "../worker/aborted.ts";
import { pause } from "../worker/pause.ts";
import { createEndings } from "./settle-ended.ts";
import { keepExpiring } from "./expire.ts";
import { createFinishEvents } from "./finish-events.ts";
import { type LeaderConnection, type Leadership, leadOnce } from "./leadership.ts";
import { createInspectJobs } from "./inspect-jobs.ts";
import { hasRoom } from "./memory.ts";
import { createPass, type PassCounts } from "./pass.ts";
import { createRedispatch } from "./redispatch.ts";
import type { EndingRedis } from "./read-ended.ts";
import { restoreSettings } from "./restore-settings.ts";
import { createPassSchedule } from "./pass-schedule.ts";
import { createOrphanDetector } from "./orphan-detector.ts";
import type { Settle } from "../worker/settle.ts";

export interface Reconciler {
  start(): void;
  /** One more pass, now or right after the one on its way. */
  wake(reason: string): void;
  close(): Promise<void>;
}

export interface PassReport extends PassCounts {
  reason: string;
  ms: number;
}

export interface ReconcilerDeps {
  /** Makes a postgres.js client for the connection that holds the leader's lock. */
  openLeaderClient(connection: LeaderConnection): Sql;
  /** Its commands must fail in bounded time. */
  redis: ScriptRedis & EndingRedis & { readonly status: string };
  prefix: string;
  place(queue: string, jobs: readonly DispatchEntry[]): Promise<unknown>;
  remove: Remove;
  apply: ApplySettings;
  settle: Pick<Settle, "submit">;
  /** What the leader does besides, until its leadership ends. */
  maintenanceTasks?: readonly ((leadership: Leadership) => Promise<void>)[];
  intervalMs: number;
  /** By Postgres' clock; a younger job may be on its way to Redis. */
  graceMs: number;
  pageSize?: number;
  /** Between two tries to become the leader. */
  electEveryMs?: number;
  /** How long a leader may be silent before Postgres ends its session: frozen or dead, it is replaced after the next try. */
  sessionMs?: number;
  log: Pick<Logger, "info" | "warn" | "error">;
  onPass?(report: PassReport): void;
  onPassFailed?(): void;
  onLead?(isLeading: boolean): void;
}

/**
 * Makes Redis agree with the ledger: places pending jobs that it does not have, settles those that ended there.
 * One process leads; it makes a pass when it begins to lead, when woken, and at the interval.
 */
export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const {
    redis,
    prefix,
    place,
    settle,
    graceMs,
    electEveryMs = 5000,
    sessionMs = 8000,
    log,
  } = deps;
  const rhythm = createPassSchedule(deps);
  const look = createInspectJobs(redis, prefix);
  const endings = createEndings({ ...deps });
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  let isPostgresAway = false;

  async function tryPass(pass: () => Promise<PassCounts>, reason: string, signal: AbortSignal) {
    const startedAt = performance.now();
    try {
      const counts = await pass();
      const report = { reason, ...counts, ms: Math.round(performance.now() - startedAt) };
      const { placed, heldBack, settled } = counts;
      if (placed + heldBack + settled > 0) log.info(report, "reconciled");
      deps.onPass?.(report);
    } catch (error) {
      if (signal.aborted) return;
      deps.onPassFailed?.();
      log.warn({ err: error, reason }, "could not reconcile");
    }
  }

  async function makePasses(leadership: Leadership) {
    const { signal } = leadership;
    const { apply } = deps;
    const restore = () => restoreSettings({ leadership, apply, log });
    const placeAndSettle = createPass({
      leadership,
      orphanDetector: createOrphanDetector(look),
      endings,
      openEvents: (queue) => createFinishEvents(redis, prefix, queue),
      redispatch: createRedispatch({
        leadership,
        async place(queue, jobs) {
          // What is paused must not run when it is placed again, and Redis may have been flushed a moment ago.
          await restore();
          await place(queue, jobs);
        },
        hasRoom: (queue) => hasRoom(redis, prefix, queue),
      }),
      graceMs,
      pageSize: deps.pageSize ?? 500,
      log,
    });
    const pass = async () => {
      await restore();
      return placeAndSettle();
    };
    for (let reason = rhythm.begin(); !signal.aborted; reason = await rhythm.next(reason, signal)) {
      if (redis.status === "ready") await tryPass(pass, reason, signal);
    }
  }

  async function lead(leadership: Leadership) {
    const { signal } = leadership;
    isPostgresAway = false;
    log.info("leads the reconciling");
    deps.onLead?.(true);
    // A settlement waits for Postgres as long as it takes: neither the next leadership nor the end waits for it.
    const { remove } = deps;
    const duties = [makePasses(leadership), keepExpiring({ leadership, remove, settle, log })];
    for (const duty of deps.maintenanceTasks ?? []) duties.push(duty(leadership));
    await Promise.race([Promise.all(duties), aborted(signal)]);
    deps.onLead?.(false);
    if (!stop.signal.aborted) log.warn("lost the connection that made it lead");
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
      await pause(electEveryMs, stop.signal);
    }
  }

  return {
    start() {
      running ??= run();
    },
    wake: rhythm.wake,
    async close() {
      stop.abort();
      await running;
    },
  };
}

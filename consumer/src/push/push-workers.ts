import type {
  JobTypeTable,
  RegisteredJobType,
} from "@toril/contract/engine/job-types/job-type-table";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import {
  type EndpointRef,
  type EndpointRow,
  maxFailures,
  readEndpoints,
} from "@toril/contract/engine/push/endpoint-ledger";
import {
  disablePush,
  pausePush,
  recordPushFailure,
  recordPushSuccess,
} from "@toril/contract/engine/push/endpoint-state";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { ISql } from "postgres";
import type { Log } from "../observability/log.ts";
import type { SafePost } from "../safe-fetch/safe-post.ts";
import { repeatUntilAborted } from "../repeat.ts";
import type { HandlerMap } from "../worker/handler.ts";
import type { Workers } from "../worker/queue-workers.ts";
import { createPushHandler } from "./push-handler.ts";

export interface PushQueue {
  queue: string;
  concurrency: number;
  ratePerSecond: number | undefined;
  jobTypes: JobTypeRegistry;
  handlers: Pick<HandlerMap, "get">;
}

export interface PushWorkersDeps {
  table: Pick<JobTypeTable, "getRegistered" | "onChange" | "registry">;
  ledger: Pick<Ledger, "run">;
  post: SafePost;
  secretKeys: KeyRing | undefined;
  /** Creates the worker of one queue. */
  createQueueWorker(queue: PushQueue): Workers;
  log: Log;
}

export interface PushWorkers {
  start(): void;
  /** Starts no further jobs, for example while Postgres is unavailable. */
  pause(): void;
  resume(): void;
  /** @returns whether every job finished */
  close(deadline: AbortSignal): Promise<boolean>;
}

interface Running {
  key: string;
  ref: EndpointRef;
  workers: Workers;
  isPaused: boolean;
}

const pollMs = 500;

/**
 * Sends the jobs of registered types with the worker `push`: a worker for each of their queues, which follows the
 * registrations.
 */
export function createPushWorkers(deps: PushWorkersDeps): PushWorkers {
  const { table, ledger, post, secretKeys, createQueueWorker, log } = deps;
  const running = new Map<string, Running>();
  const ending = new Set<Promise<boolean>>();
  const stop = new AbortController();
  let endpoints = new Map<string, EndpointRow>();
  let isPaused = false;
  let polling = Promise.resolve();

  const find = ({ tenant, type }: EndpointRef) => endpoints.get(toKey({ tenant, type }));

  /** A failure to record the state of an endpoint must not fail the job. */
  async function record(work: (sql: ISql) => Promise<unknown>) {
    try {
      await ledger.run(work);
    } catch (error) {
      log.warn({ err: error }, "failed to record the state of a push endpoint");
    }
  }

  function open({ tenant, jobType: { type, queue }, row }: RegisteredJobType): Running | undefined {
    const { push: settings } = row.definition;
    if (settings === undefined) return undefined;
    const ref = { tenant, type };
    const toSent = ({ version }: EndpointRow) => ({ ...ref, url: settings.url, version });
    // The state that was read last may be older than a failure of this process.
    let hasFailed = false;
    const handler = createPushHandler({
      type,
      settings,
      post,
      secretKeys,
      getEndpoint: () => find(ref),
      isHalfOpen: () => (find(ref)?.failures ?? 0) >= maxFailures,
      async onSuccess(sent) {
        if (!hasFailed && (find(ref)?.failures ?? 0) === 0) return;
        hasFailed = false;
        await record((sql) => recordPushSuccess(sql, toSent(sent)));
      },
      async onFailure(sent, error) {
        hasFailed = true;
        await record((sql) => recordPushFailure(sql, toSent(sent), error));
      },
      onPause: (sent, pauseMs) => record((sql) => pausePush(sql, toSent(sent), pauseMs)),
      onGone: (sent) =>
        record(async (sql) => {
          if (await disablePush(sql, toSent(sent))) log.warn(ref, "disabled a push endpoint");
        }),
    });
    const workers = createQueueWorker({
      queue,
      concurrency: settings.concurrency,
      ratePerSecond: settings.ratePerSecond,
      jobTypes: {
        ...table.registry,
        find: (name) => table.registry.forTenant(tenant).find(name),
      },
      handlers: { get: (name) => (name === type ? handler : undefined) },
    });
    return { key: JSON.stringify([tenant, type, settings]), ref, workers, isPaused: true };
  }

  function end(queue: string, { workers }: Running, deadline: AbortSignal): Promise<boolean> {
    running.delete(queue);
    const ended = workers.close(deadline).finally(() => ending.delete(ended));
    ending.add(ended);
    return ended;
  }

  /** Starts and ends workers as types were registered, changed or deleted. */
  function follow() {
    if (stop.signal.aborted) return;
    const wanted = new Map(
      table
        .getRegistered()
        .filter(({ jobType }) => jobType.worker === "push")
        .map((one) => [one.jobType.queue, one]),
    );
    for (const [queue, existing] of running) {
      const one = wanted.get(queue);
      const key = one && JSON.stringify([one.tenant, one.jobType.type, one.row.definition.push]);
      if (existing.key !== key) void end(queue, existing, new AbortController().signal);
    }
    for (const [queue, one] of wanted) {
      if (running.has(queue)) continue;
      const opened = open(one);
      if (opened === undefined) continue;
      running.set(queue, opened);
      opened.workers.pause();
      opened.workers.start();
    }
    applyPauses();
  }

  /** Starts no jobs of endpoints that are paused, disabled or unknown. */
  function applyPauses() {
    for (const one of running.values()) {
      const endpoint = find(one.ref);
      const mayRun = endpoint !== undefined && endpoint.isEnabled && !endpoint.isPaused;
      const shouldPause = isPaused || !mayRun;
      if (shouldPause === one.isPaused) continue;
      one.isPaused = shouldPause;
      if (shouldPause) one.workers.pause();
      else one.workers.resume();
    }
  }

  function poll() {
    const failureMessage = "failed to read push endpoints";
    const repetition = { signal: stop.signal, everyMs: pollMs, log, failureMessage };
    return repeatUntilAborted(repetition, async () => {
      if (running.size === 0) return;
      const rows = await ledger.run(readEndpoints);
      endpoints = new Map(rows.map((row) => [toKey(row), row]));
      applyPauses();
    });
  }

  const unsubscribe = table.onChange(follow);
  return {
    start() {
      follow();
      polling = poll();
    },
    pause() {
      isPaused = true;
      applyPauses();
    },
    resume() {
      isPaused = false;
      applyPauses();
    },
    async close(deadline) {
      unsubscribe();
      stop.abort();
      await polling;
      const closed = [...running].map(([queue, one]) => end(queue, one, deadline));
      const isClean = await Promise.all([...closed, ...ending]);
      return isClean.every(Boolean);
    },
  };
}

function toKey({ tenant, type }: EndpointRef): string {
  return JSON.stringify([tenant, type]);
}

import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import { createRemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import { createBreakers } from "@toril/contract/engine/jobs/enqueue/breaker";
import { createDispatcher } from "@toril/contract/engine/jobs/enqueue/dispatcher";
import { createEnqueue, type EnqueueDeps } from "@toril/contract/engine/jobs/enqueue/enqueue";
import { createRecordUndispatched } from "@toril/contract/engine/jobs/enqueue/undispatched-ledger";
import { enforceQueueSettings } from "@toril/contract/engine/queues/settings-ledger";
import {
  createDispatch,
  createRestoringDispatch,
  dispatchScriptUrl,
} from "@toril/contract/engine/redis/scripts/dispatch";
import {
  createApplySettings,
  settingsScriptUrl,
} from "@toril/contract/engine/queues/queue-settings";
import { probeKey } from "@toril/contract/engine/redis/names";
import { createRemove, removeScriptUrl } from "@toril/contract/engine/redis/scripts/remove";
import { timeDispatch, timeLedger } from "../observability/metrics.ts";
import type { Ledgers } from "../stores/postgres.ts";

export interface DispatchingDeps extends Required<Pick<EnqueueDeps, "onBatch" | "timeoutMs">> {
  redis: Redis | Cluster;
  ledgers: Pick<Ledgers, "accepting" | "changing">;
  prefix: string;
  loadScript(url: URL): { prefix: string; script: string };
  maxUndispatched: number;
  log: Logger;
  onDispatched(ms: number): void;
  onLedgerWrite(ms: number): void;
}

/** Creates what accepts jobs: batches of rows are inserted into Postgres, then dispatched to Redis. */
export function createDispatching(deps: DispatchingDeps) {
  const { redis, ledgers, prefix, loadScript, log } = deps;
  const writeProbe = (queue: string) => redis.set(probeKey(prefix, queue), "", "EX", 60);
  const breakers = createBreakers({
    probe: writeProbe,
    probeEveryMs: 250,
    onChange(queue, availability, error) {
      if (availability === "available") log.info({ queue }, "Redis accepts jobs again");
      else log.warn({ err: error, queue }, `Redis is ${availability}: jobs are dispatched later`);
    },
  });
  const applySettings = createApplySettings(redis, loadScript(settingsScriptUrl));
  // No tenant requests this work, so it takes turns as a tenant of its own.
  const dispatch = createRestoringDispatch(
    createDispatch(redis, loadScript(dispatchScriptUrl)),
    (queue) => ledgers.changing.run("", (sql) => enforceQueueSettings(sql, queue, applySettings)),
  );
  const remove = createRemove(redis, loadScript(removeScriptUrl));
  const removeFromRedis = createRemoveFromRedis({
    remove,
    publish: (channel, message) => redis.publish(channel, message),
    prefix,
  });
  const dispatcher = createDispatcher({
    dispatch: timeDispatch(dispatch, deps.onDispatched),
    remove,
    removeFromRedis,
    breakers,
    recordUndispatched: createRecordUndispatched(ledgers.accepting),
    maxUndispatched: deps.maxUndispatched,
  });
  const enqueue = createEnqueue({
    ledger: timeLedger(ledgers.accepting, deps.onLedgerWrite),
    dispatcher,
    timeoutMs: deps.timeoutMs,
    onBatch: deps.onBatch,
  });
  return {
    enqueue,
    dispatcher,
    breakers,
    dispatch,
    remove,
    removeFromRedis,
    applySettings,
    /** Writes to Redis, to find out whether Redis accepts jobs of a queue. */
    writeProbe,
    close: () => breakers.close(),
  };
}

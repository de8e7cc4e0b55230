import { readFile } from "node:fs/promises";
import { createRemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import { countWaiting } from "@toril/contract/engine/quotas/count-waiting";
import { enforceQueueSettings } from "@toril/contract/engine/queues/settings-ledger";
import { createLease, leaseScriptUrl } from "@toril/contract/engine/quotas/lease";
import { createFindQuota } from "@toril/contract/engine/quotas/quotas";
import {
  createDispatch,
  createRestoringDispatch,
  dispatchScriptUrl,
} from "@toril/contract/engine/redis/scripts/dispatch";
import { createMove, moveScriptUrl } from "@toril/contract/engine/redis/scripts/move";
import { epochKey } from "@toril/contract/engine/redis/names";
import {
  createApplySettings,
  createAreMalformed,
  settingsScriptUrl,
} from "@toril/contract/engine/queues/queue-settings";
import { createRemove, removeScriptUrl } from "@toril/contract/engine/redis/scripts/remove";
import type { Log } from "../observability/log.ts";
import type { Stores } from "./open-stores.ts";

/** Commands of the consumer to Redis, mostly Lua scripts of the engine. */
export type RedisCommands = Awaited<ReturnType<typeof loadRedisCommands>>;

export async function loadRedisCommands(
  { commandRedis: redis, ledger, backgroundLedger }: Stores,
  prefix: string,
  log: Log,
) {
  const load = async (url: URL) => ({ prefix, script: await readFile(url, "utf8") });
  const settingsScript = await load(settingsScriptUrl);
  const applySettings = createApplySettings(redis, settingsScript);
  const restoreSettings = (queue: string) =>
    backgroundLedger.run((sql) => enforceQueueSettings(sql, queue, applySettings));
  const remove = createRemove(redis, await load(removeScriptUrl));
  const lease = createLease({
    redis,
    script: await readFile(leaseScriptUrl, "utf8"),
    now: () => performance.now(),
    onChange: (isUnavailable, error) =>
      isUnavailable
        ? log.warn({ err: error }, "failed to share quotas: this process enforces them alone")
        : log.info("quotas are shared again"),
  });
  return {
    applySettings,
    areSettingsMalformed: createAreMalformed(redis, settingsScript),
    /** Applies the settings of the ledger to a queue. */
    restoreSettings,
    dispatch: createRestoringDispatch(
      createDispatch(redis, await load(dispatchScriptUrl)),
      restoreSettings,
    ),
    move: createMove(redis, await load(moveScriptUrl)),
    remove,
    /** Removes jobs and aborts their attempts. */
    removeFromRedis: createRemoveFromRedis({
      remove,
      publish: (channel, message) => redis.publish(channel, message),
      prefix,
    }),
    findQuota: createFindQuota({
      prefix,
      lease,
      countWaiting: (quotaKey, limit, exceptType) =>
        ledger.run((sql) => countWaiting(sql, quotaKey, limit, exceptType)),
    }),
    /** Rejects while the Redis of the queue is unavailable. */
    probe: (queue: string) => redis.exists(epochKey(prefix, queue)),
  };
}

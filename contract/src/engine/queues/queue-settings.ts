import type { QueueSettings } from "../../api/queue.ts";
import { queueKeys } from "../redis/names.ts";
import { createScript, type ScriptRedis } from "../redis/scripts/script.ts";

/**
 * Applies queue settings to Redis, where all workers read them. `malformed`: replaces only malformed settings.
 * Idempotent. Rejects with the client's errors.
 */
export type ApplySettings = (settings: QueueSettings, mode?: "all" | "malformed") => Promise<void>;

export const settingsScriptUrl: URL = new URL("./queue-settings.lua", import.meta.url);

interface ScriptSettings {
  prefix: string;
  /** The text of `settingsScriptUrl`. */
  script: string;
}

/** Creates the function that applies queue settings. */
export function createApplySettings(redis: ScriptRedis, settings: ScriptSettings): ApplySettings {
  const run = createScript(redis, settings.script);
  return async ({ queue, paused, concurrency, rateLimit }, mode = "all") => {
    const limits = [concurrency, rateLimit?.max, rateLimit?.durationMs];
    const args = [paused ? "1" : "", ...limits.map((limit) => String(limit ?? "")), mode];
    await run(getKeys(settings.prefix, queue), args);
  };
}

/**
 * Checks whether Redis has malformed settings of a queue, which no worker can read. Rejects with the client's errors.
 */
export type AreMalformed = (queue: string) => Promise<boolean>;

/** Creates the function that checks queue settings. */
export function createAreMalformed(redis: ScriptRedis, settings: ScriptSettings): AreMalformed {
  const run = createScript(redis, settings.script);
  return async (queue) =>
    (await run(getKeys(settings.prefix, queue), ["", "", "", "", "check"])) === 1;
}

function getKeys(prefix: string, queue: string) {
  const { meta, wait, prioritized, delayed, marker, events, limiter } = queueKeys(prefix, queue);
  return [meta, wait, prioritized, delayed, marker, events, limiter];
}

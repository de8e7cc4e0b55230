import type { QueueSettings } from "../queue.ts";
import { queueKeys } from "./names.ts";
import { createScript, type ScriptRedis } from "./script.ts";

/** Makes Redis, and so every worker, obey it. Safe to repeat. Rejects as the client does. */
export type ApplySettings = (settings: QueueSettings) => Promise<void>;

export const settingsScriptUrl: URL = new URL("./queue-settings.lua", import.meta.url);

/** @param settings.script the text of `settingsScriptUrl` */
export function createApplySettings(
  redis: ScriptRedis,
  { prefix, script }: { prefix: string; script: string },
): ApplySettings {
  const run = createScript(redis, script);
  return async ({ queue, paused, concurrency, rateLimit }) => {
    const { meta, wait, prioritized, delayed, marker, events, limiter } = queueKeys(prefix, queue);
    const limits = [concurrency, rateLimit?.max, rateLimit?.durationMs];
    await run(
      [meta, wait, prioritized, delayed, marker, events, limiter],
      [paused ? "1" : "", ...limits.map((limit) => String(limit ?? ""))],
    );
  };
}

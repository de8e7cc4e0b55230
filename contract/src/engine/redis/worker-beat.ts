import type { QueueWorker } from "../../api/queue.ts";
import { workersKey } from "./names.ts";
import { createScript, type ScriptRedis } from "./script.ts";

/** A worker that has said nothing for so long is gone. */
export const silentMs = 15_000;

type Beat = Omit<QueueWorker, "id" | "seenAt">;

/**
 * KEYS[1] the workers of a queue   ARGV[1] which one   ARGV[2] what it says, or "": it leaves   ARGV[3] silentMs
 * A field is "<when, in ms since 1970>:<what it says>". Whoever is silent for long is forgotten.
 */
const script = `
  local time = redis.call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if ARGV[2] == "" then return redis.call("HDEL", KEYS[1], ARGV[1]) end
  redis.call("HSET", KEYS[1], ARGV[1], string.format("%.0f:%s", now, ARGV[2]))
  local all = redis.call("HGETALL", KEYS[1])
  for index = 2, #all, 2 do
    local at = tonumber(string.match(all[index], "^(%d+):") or 0)
    if at < now - ARGV[3] then redis.call("HDEL", KEYS[1], all[index - 1]) end
  end
  return redis.call("PEXPIRE", KEYS[1], ARGV[3])`;

/** Says that a worker serves a queue; without a beat, that it no longer does. Rejects as the client does. */
export type SendBeat = (queue: string, id: string, beat: Beat | undefined) => Promise<void>;

export function createSendBeat(redis: ScriptRedis, prefix: string): SendBeat {
  const run = createScript(redis, script);
  return async (queue, id, beat) => {
    const text = beat === undefined ? "" : JSON.stringify(beat);
    await run([workersKey(prefix, queue)], [id, text, String(silentMs)]);
  };
}

/** Undefined for what no worker of this version has said. */
export function parseBeat(
  id: string,
  text: string,
): (Beat & { id: string; seenAt: number }) | undefined {
  const [, at, said] = /^(\d+):(.+)$/s.exec(text) ?? [];
  if (at === undefined || said === undefined) return undefined;
  return { ...(JSON.parse(said) as Beat), id, seenAt: Number(at) };
}

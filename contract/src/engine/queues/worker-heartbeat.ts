import type { QueueWorker } from "../../api/queue.ts";
import { workersKey } from "../redis/names.ts";
import { createScript, type ScriptRedis } from "../redis/scripts/script.ts";

/** A worker without a heartbeat for this long is considered lost. */
export const silentMs = 15_000;

type Heartbeat = Omit<QueueWorker, "id" | "seenAt">;

/**
 * Stores a worker's heartbeat and removes expired ones.
 * KEYS[1] workers of a queue   ARGV[1] id of the worker   ARGV[2] heartbeat, or "" to leave   ARGV[3] silentMs
 * A field is "<time, ms since 1970>:<heartbeat>".
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

/**
 * Sends the heartbeat of a worker for a queue; without a `beat`, removes the worker. Rejects with the client's errors.
 */
export type SendHeartbeat = (
  queue: string,
  id: string,
  beat: Heartbeat | undefined,
) => Promise<void>;

/** Creates the function that sends heartbeats. */
export function createSendHeartbeat(redis: ScriptRedis, prefix: string): SendHeartbeat {
  const run = createScript(redis, script);
  return async (queue, id, beat) => {
    const text = beat === undefined ? "" : JSON.stringify(beat);
    await run([workersKey(prefix, queue)], [id, text, String(silentMs)]);
  };
}

/** Parses a stored heartbeat; undefined for another format. */
export function parseHeartbeat(
  id: string,
  text: string,
): (Heartbeat & { id: string; seenAt: number }) | undefined {
  const [, at, json] = /^(\d+):(.+)$/s.exec(text) ?? [];
  if (at === undefined || json === undefined) return undefined;
  return { ...(JSON.parse(json) as Heartbeat), id, seenAt: Number(at) };
}

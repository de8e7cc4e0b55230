import { activityKey } from "../redis/names.ts";
import { createScript, type ScriptRedis } from "../redis/scripts/script.ts";
import type { ActivityRecorder } from "./activity-recorder.ts";

/** Length of a slot of the activity log. */
export const activitySlotMs = 10_000;
/** How long the activity log goes back. */
const activityMs = 30 * 60_000;

/**
 * Adds to a slot. By the clock of Redis, so that all processes agree on the current slot.
 * KEYS[1] key of the log without a slot   ARGV[1] slotMs   ARGV[2] ms to keep   ARGV[3] number of counters
 * ARGV[4...] pairs of field and increment, then pairs of field and value
 */
const writeScript = `
  local time = redis.call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local key = KEYS[1] .. string.format("%.0f", math.floor(now / ARGV[1]))
  local counters = tonumber(ARGV[3])
  for index = 0, (#ARGV - 3) / 2 - 1 do
    local field, value = ARGV[4 + index * 2], ARGV[5 + index * 2]
    if index < counters then redis.call("HINCRBY", key, field, value) else redis.call("HSET", key, field, value) end
  end
  return redis.call("PEXPIRE", key, ARGV[2])`;

/** KEYS[1] key of the log without a slot   ARGV[1] slotMs   ARGV[2] number of slots. Returns { now, HGETALL ... }, oldest first. */
const readScript = `
  local time = redis.call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local last = math.floor(now / ARGV[1])
  local found = { now }
  for slot = last - ARGV[2] + 1, last do
    found[#found + 1] = redis.call("HGETALL", KEYS[1] .. string.format("%.0f", slot))
  end
  return found`;

/** Values of one slot by field. */
export interface ActivitySlot {
  /** Start, in milliseconds since 1970. */
  at: number;
  fields: ReadonlyMap<string, number>;
}

export type ActivityLog = ReturnType<typeof createActivityLog>;

/**
 * Creates access to the activity of the last 30 minutes, which all processes write to Redis: every producer reads the
 * same. All functions reject with the client's errors.
 */
export function createActivityLog(redis: ScriptRedis, prefix: string) {
  const write = createScript(redis, writeScript);
  const read = createScript(redis, readScript);
  const keys = [activityKey(prefix)];
  const count = activityMs / activitySlotMs;

  async function add(
    counters: ReadonlyMap<string, number>,
    values: Readonly<Record<string, number>> = {},
  ): Promise<void> {
    const pairs = [...counters, ...Object.entries(values)].flatMap(([name, value]) => [
      name,
      String(Math.round(value)),
    ]);
    if (pairs.length === 0) return;
    const keptMs = activityMs + 2 * activitySlotMs;
    await write(keys, [String(activitySlotMs), String(keptMs), String(counters.size), ...pairs]);
  }

  return {
    add,

    /** Writes what was recorded; after a failure, it is lost. */
    flush: (recorder: Pick<ActivityRecorder, "take">) => add(recorder.take()),

    /** Reads all slots, oldest first; a slot without activity has no fields. */
    async read(): Promise<{ now: number; slots: ActivitySlot[] }> {
      const [now, ...found] = (await read(keys, [String(activitySlotMs), String(count)])) as [
        number,
        ...string[][],
      ];
      const last = Math.floor(now / activitySlotMs);
      const slots = found.map((flat, index) => ({
        at: (last - count + 1 + index) * activitySlotMs,
        fields: toFields(flat),
      }));
      return { now, slots };
    },
  };
}

function toFields(flat: readonly string[]): Map<string, number> {
  const fields = new Map<string, number>();
  for (let index = 0; index < flat.length; index += 2) {
    fields.set(flat[index] ?? "", Number(flat[index + 1]));
  }
  return fields;
}

/** Flushes a recorder every two seconds, and a last time on close. */
export function startActivityFlush(
  log: Pick<ActivityLog, "flush">,
  recorder: ActivityRecorder,
): { close(): Promise<void> } {
  // Redis is unavailable: the activity of this moment is lost, and nothing else depends on it.
  const flush = () => log.flush(recorder).catch(() => {});
  const timer = setInterval(() => void flush(), 2000);
  return {
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}

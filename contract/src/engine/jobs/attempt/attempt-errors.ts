import { failuresField, jobKey, queueKeys } from "../../redis/names.ts";
import { createScript, type ScriptRedis } from "../../redis/scripts/script.ts";
import { attemptLost, AttemptError } from "../../../api/jobs/job.ts";
import { limits } from "../../../api/limits.ts";
import { z } from "zod";
import type { Logger } from "pino";

/** Failures of a job's attempts, kept in Redis until the job ends. Best effort: Redis may lose them. */
export interface AttemptErrors {
  record(queue: string, bullId: string, failure: AttemptError): Promise<void>;
  /**
   * Records attempts whose consumers disappeared. Call right before BullMQ requeues stalled jobs: the next attempt
   * overwrites start time and worker of the lost attempt.
   */
  recordLost(queue: string): Promise<void>;
  read(queue: string, bullId: string): Promise<AttemptError[]>;
}

export interface AttemptErrorsDeps {
  redis: ScriptRedis & { hget(key: string, field: string): Promise<string | null> };
  prefix: string;
  log: Pick<Logger, "debug">;
}

/** KEYS[1] job, ARGV[1] field, ARGV[2] failure, ARGV[3] maximum number. Keeps the first failure of each attempt. */
const script = `
  if redis.call("EXISTS", KEYS[1]) == 0 then return end
  local kept = cjson.decode(redis.call("HGET", KEYS[1], ARGV[1]) or "[]")
  local failure = cjson.decode(ARGV[2])
  if #kept > 0 and kept[#kept].attempt == failure.attempt then return end
  kept[#kept + 1] = failure
  while #kept > tonumber(ARGV[3]) do table.remove(kept, 1) end
  redis.call("HSET", KEYS[1], ARGV[1], cjson.encode(kept))`;

/**
 * KEYS[1] jobs that were active at BullMQ's last stalled check, KEYS[2] exists until the next check is due, KEYS[3]
 * active jobs, ARGV[1] key prefix of the queue. Returns, for jobs without a lock: id, start, worker, attempts made and
 * stalls.
 * KEYS[2] may expire between this script and BullMQ's check, so the check counts as due a little earlier.
 */
const lostScript = `
  if redis.call("PTTL", KEYS[2]) > 200 then return {} end
  local lost = {}
  for _, id in ipairs(redis.call("SMEMBERS", KEYS[1])) do
    local key = ARGV[1] .. id
    if redis.call("EXISTS", key .. ":lock") == 0 and redis.call("LPOS", KEYS[3], id) then
      local fields = redis.call("HMGET", key, "processedOn", "pb", "atm", "stc")
      lost[#lost + 1] = { id, fields[1] or "", fields[2] or "", fields[3] or "0", fields[4] or "0" }
    end
  end
  return lost`;

export function createAttemptErrors({ redis, prefix, log }: AttemptErrorsDeps): AttemptErrors {
  const run = createScript(redis, script);
  const findLost = createScript(redis, lostScript);
  return {
    async recordLost(queue) {
      const { base, stalled, active } = queueKeys(prefix, queue);
      try {
        const rows = await findLost([stalled, `${base}stalled-check`, active], [base]);
        const at = new Date().toISOString();
        for (const [id, startedAt, worker, attemptsMade, stalls] of rows as [
          string,
          ...string[],
        ][]) {
          await this.record(queue, id, {
            attempt: Number(attemptsMade) + Number(stalls) + 1,
            at,
            name: attemptLost,
            message:
              "The consumer stopped renewing the job's lock: it was killed, blocked or disconnected.",
            startedAt: startedAt ? new Date(Number(startedAt)).toISOString() : null,
            durationMs: null,
            worker: worker || null,
          });
        }
      } catch (error) {
        log.debug({ err: error }, "failed to record lost attempts");
      }
    },
    async record(queue, bullId, failure) {
      const args = [failuresField, JSON.stringify(failure), String(limits.failures)];
      try {
        await run([jobKey(prefix, queue, bullId)], args);
      } catch (error) {
        log.debug({ err: error }, "failed to record an attempt error");
      }
    },
    async read(queue, bullId) {
      try {
        const text = await redis.hget(jobKey(prefix, queue, bullId), failuresField);
        return z.array(AttemptError).parse(JSON.parse(text ?? "[]"));
      } catch (error) {
        log.debug({ err: error }, "failed to read attempt errors");
        return [];
      }
    },
  };
}

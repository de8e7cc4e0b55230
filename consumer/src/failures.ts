import { failuresField, jobKey } from "@toril/contract/dispatch/names";
import { createScript, type ScriptRedis } from "@toril/contract/dispatch/script";
import { limits, RunError } from "@toril/contract/job";
import { z } from "zod";
import type { Log } from "./log.ts";

/** What the runs of a job failed with, kept with it in Redis until it ends. What Redis does not keep is not told. */
export interface Failures {
  note(queue: string, bullId: string, failure: RunError): Promise<void>;
  of(queue: string, bullId: string): Promise<RunError[]>;
}

export interface FailuresDeps {
  redis: ScriptRedis & { hget(key: string, field: string): Promise<string | null> };
  prefix: string;
  log: Pick<Log, "debug">;
}

/** KEYS[1] a job, ARGV[1] the field, ARGV[2] one more failure, ARGV[3] how many are kept. */
const script = `
  if redis.call("EXISTS", KEYS[1]) == 0 then return end
  local kept = cjson.decode(redis.call("HGET", KEYS[1], ARGV[1]) or "[]")
  kept[#kept + 1] = cjson.decode(ARGV[2])
  while #kept > tonumber(ARGV[3]) do table.remove(kept, 1) end
  redis.call("HSET", KEYS[1], ARGV[1], cjson.encode(kept))`;

export function createFailures({ redis, prefix, log }: FailuresDeps): Failures {
  const run = createScript(redis, script);
  return {
    async note(queue, bullId, failure) {
      const args = [failuresField, JSON.stringify(failure), String(limits.failures)];
      try {
        await run([jobKey(prefix, queue, bullId)], args);
      } catch (error) {
        log.debug({ err: error }, "a failure was not kept");
      }
    },
    async of(queue, bullId) {
      try {
        const text = await redis.hget(jobKey(prefix, queue, bullId), failuresField);
        return z.array(RunError).parse(JSON.parse(text ?? "[]"));
      } catch (error) {
        log.debug({ err: error }, "failures were not read");
        return [];
      }
    },
  };
}

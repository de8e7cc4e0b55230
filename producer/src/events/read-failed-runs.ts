import { jobKey } from "@toril/contract/engine/redis/names";
import type { Cluster, Redis } from "ioredis";
import type { EventMapperDeps, FailedAttempt } from "./event-mapper.ts";

export function createReadFailedAttempts(
  redis: Redis | Cluster,
  prefix: string,
): EventMapperDeps["readFailedAttempts"] {
  const read = async (queue: string, bullId: string): Promise<FailedAttempt | undefined> => {
    const key = jobKey(prefix, queue, bullId);
    const [attemptsMade, reason] = await redis.hmget(key, "atm", "failedReason").catch(() => []);
    const attempts = Number(attemptsMade ?? 0);
    return attempts > 0 && typeof reason === "string" ? { attempts, reason } : undefined;
  };
  return (jobs) => Promise.all(jobs.map(({ queue, bullId }) => read(queue, bullId)));
}

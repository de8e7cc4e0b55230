import { jobKey } from "@toril/contract/engine/redis/names";
import type { Cluster, Redis } from "ioredis";
import type { DescribeDeps, FailedRun } from "./describe.ts";

export function createReadFailedRuns(
  redis: Redis | Cluster,
  prefix: string,
): DescribeDeps["readFailedRuns"] {
  const read = async (queue: string, bullId: string): Promise<FailedRun | undefined> => {
    const key = jobKey(prefix, queue, bullId);
    const [made, reason] = await redis.hmget(key, "atm", "failedReason").catch(() => []);
    const attempts = Number(made ?? 0);
    return attempts > 0 && typeof reason === "string" ? { attempts, reason } : undefined;
  };
  return (jobs) => Promise.all(jobs.map(({ queue, bullId }) => read(queue, bullId)));
}

import { encodeAbort } from "../../redis/abort.ts";
import { abortChannel, bullId } from "../../redis/names.ts";
import type { Remove } from "../../redis/scripts/remove.ts";
import type { CancelledJob } from "./cancel.ts";

export interface RemoveFromRedisDeps {
  remove: Remove;
  /** Publishes to all subscribed consumers. */
  publish(channel: string, message: string): Promise<unknown>;
  prefix: string;
}

/** Removes ended generations from Redis and aborts the active ones. Rejects with the client's errors. */
export type RemoveFromRedis = (jobs: readonly CancelledJob[]) => Promise<void>;

/** Creates the function that removes ended jobs from Redis. */
export function createRemoveFromRedis({
  remove,
  publish,
  prefix,
}: RemoveFromRedisDeps): RemoveFromRedis {
  return async (jobs) => {
    const active: string[] = [];
    for (const [queue, group] of Map.groupBy(jobs, (job) => job.queue)) {
      const ids = group.map(({ id, generation }) => bullId(id, generation));
      const states = await remove(queue, ids, "ended");
      active.push(...ids.filter((_, at) => states[at] === "active"));
    }
    if (active.length > 0) await publish(abortChannel(prefix), encodeAbort(active));
  };
}

import { encodeAbort } from "../../redis/abort.ts";
import { abortChannel, bullId } from "../../redis/names.ts";
import type { Remove } from "../../redis/remove.ts";
import type { CancelledJob } from "./cancel.ts";

export interface RemoveFromRedisDeps {
  remove: Remove;
  /** To every consumer that listens now. */
  publish(channel: string, message: string): Promise<unknown>;
  prefix: string;
}

/** Takes runs that the ledger has ended out of Redis, and tells those that a worker has to end. Rejects as the client does. */
export type RemoveFromRedis = (runs: readonly CancelledJob[]) => Promise<void>;

export function createRemoveFromRedis({
  remove,
  publish,
  prefix,
}: RemoveFromRedisDeps): RemoveFromRedis {
  return async (runs) => {
    const active: string[] = [];
    for (const [queue, group] of Map.groupBy(runs, (run) => run.queue)) {
      const ids = group.map(({ id, run }) => bullId(id, run));
      const states = await remove(queue, ids, "ended");
      active.push(...ids.filter((_, at) => states[at] === "active"));
    }
    if (active.length > 0) await publish(abortChannel(prefix), encodeAbort(active));
  };
}

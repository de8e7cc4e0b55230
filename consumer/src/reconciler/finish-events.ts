import {
  isSettled,
  origin,
  readNewest,
  type StreamEntry,
  type StreamRedis,
} from "@toril/contract/engine/redis/event-stream";
import { parseBullId } from "@toril/contract/engine/redis/names";

/** A completed or failed entry in a queue's event stream. */
export interface FinishEvent {
  /** Position in the stream; the result is read from there when needed. */
  position: string;
  /** Counted only within the part of the stream that was read. */
  attempts: number;
  startedAt: Date | undefined;
}

export interface FinishEvents {
  /**
   * Reads new entries, newest page first. Stops after a page for which `isEnough` returns true; older entries are
   * skipped. Ignores entries of Toril's own workers, whose jobs are already settled.
   * @returns finished jobs that did not restart since, by BullMQ id; the caller may delete entries
   */
  read(isLastPage?: (page: readonly StreamEntry[]) => boolean): Promise<Map<string, FinishEvent>>;
}

/** Limits memory: a page contains results of any size. */
const pageSize = 200;
/** BullMQ keeps about 10,000 entries by default. */
const maxEntries = 20_000;

/** After one of these events the job is in Redis again, so an earlier finish is obsolete. */
const requeueEvents = new Set(["added", "waiting", "delayed", "waiting-children", "stalled"]);

type Entry = Pick<StreamEntry, "position" | "event" | "bullId"> & { isSettled: boolean };

/** Finds finished jobs in the event stream of a queue: stock workers with `removeOnComplete` leave no other trace. */
export function createFinishEvents(
  redis: StreamRedis,
  prefix: string,
  queue: string,
): FinishEvents {
  const finishes = new Map<string, FinishEvent>();
  const starts = new Map<string, { attempts: number; startedAt: Date }>();
  let position = origin;

  function apply({ position: at, event, bullId, isSettled }: Entry) {
    if (event === "active") {
      finishes.delete(bullId);
      const { attempts = 0 } = starts.get(bullId) ?? {};
      starts.set(bullId, { attempts: attempts + 1, startedAt: toTime(at) });
    } else if (event === "completed" || event === "failed") {
      const { attempts = 1, startedAt } = starts.get(bullId) ?? {};
      starts.delete(bullId);
      finishes.delete(bullId);
      if (!isSettled) finishes.set(bullId, { position: at, attempts, startedAt });
    } else if (requeueEvents.has(event)) {
      finishes.delete(bullId);
    }
  }

  return {
    async read(isLastPage = () => false) {
      const entries: Entry[] = [];
      for (let before = "+"; entries.length < maxEntries;) {
        const page = await readNewest(redis, prefix, queue, [position, before], pageSize);
        // `toEntry` drops the results, which may be large.
        entries.push(...page.map(toEntry));
        before = page.at(-1)?.position ?? before;
        if (page.length < pageSize || isLastPage(page)) break;
      }
      position = entries[0]?.position ?? position;
      for (const entry of entries.toReversed()) apply(entry);
      dropOldest(starts);
      dropOldest(finishes);
      return finishes;
    },
  };
}

/** Whether the entry says that a stock worker completed a Toril job. */
export function isStockFinish(entry: StreamEntry): boolean {
  return (
    entry.event === "completed" && !isSettled(entry) && parseBullId(entry.bullId) !== undefined
  );
}

/** Time at which Redis wrote the entry. */
export function toTime(position: string): Date {
  return new Date(Number(position.split("-")[0]));
}

function toEntry(entry: StreamEntry): Entry {
  const { position, event, bullId } = entry;
  return { position, event, bullId, isSettled: isSettled(entry) };
}

function dropOldest(entries: Map<string, unknown>) {
  for (const id of entries.keys()) {
    if (entries.size <= maxEntries) return;
    entries.delete(id);
  }
}

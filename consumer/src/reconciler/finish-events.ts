import {
  origin,
  readNewest,
  type StreamEntry,
  type StreamRedis,
} from "@toril/contract/engine/redis/event-stream";
import { parseBullId, settledReturnValue } from "@toril/contract/engine/redis/names";

/** The entry of a queue's event stream that says how a job ended. */
export interface FinishEvent {
  /** The result is read from there when it is needed. */
  position: string;
  /** As far back as the stream was read. */
  attempts: number;
  startedAt: Date | undefined;
}

export interface FinishEvents {
  /**
   * Reads what came since the last call, the newest page first; a page after which `isEnough` ends the reading, and what
   * is older is skipped. Entries of Toril's own workers count for nothing: Postgres knows of them.
   * @returns by BullMQ id, all that have ended and did not start anew since; the caller may delete from it
   */
  read(isEnough?: (page: readonly StreamEntry[]) => boolean): Promise<Map<string, FinishEvent>>;
}

/** Their results, of any size, are in memory at once. */
const pageSize = 200;
/** BullMQ keeps about 10,000 entries unless it is told otherwise. */
const maxEntries = 20_000;

/** With these a job is in Redis again, whatever was said before. */
const liveEvents = new Set(["added", "waiting", "delayed", "waiting-children", "stalled"]);

type Entry = Pick<StreamEntry, "position" | "event" | "bullId"> & { isSettled: boolean };

/** Finds the ends of jobs in a queue's event stream, for stock workers that leave nothing else (`removeOnComplete`). */
export function createFinishEvents(
  redis: StreamRedis,
  prefix: string,
  queue: string,
): FinishEvents {
  const finishes = new Map<string, FinishEvent>();
  const starts = new Map<string, { attempts: number; startedAt: Date }>();
  let position = origin;

  function note({ position: at, event, bullId, isSettled }: Entry) {
    if (event === "active") {
      finishes.delete(bullId);
      const { attempts = 0 } = starts.get(bullId) ?? {};
      starts.set(bullId, { attempts: attempts + 1, startedAt: timeOf(at) });
    } else if (event === "completed" || event === "failed") {
      const { attempts = 1, startedAt } = starts.get(bullId) ?? {};
      starts.delete(bullId);
      finishes.delete(bullId);
      if (!isSettled) finishes.set(bullId, { position: at, attempts, startedAt });
    } else if (liveEvents.has(event)) {
      finishes.delete(bullId);
    }
  }

  return {
    async read(isEnough = () => false) {
      const entries: Entry[] = [];
      for (let before = "+"; entries.length < maxEntries;) {
        const page = await readNewest(redis, prefix, queue, [position, before], pageSize);
        // Without their results.
        entries.push(...page.map(toEntry));
        before = page.at(-1)?.position ?? before;
        if (page.length < pageSize || isEnough(page)) break;
      }
      position = entries[0]?.position ?? position;
      for (const entry of entries.toReversed()) note(entry);
      dropOldest(starts);
      dropOldest(finishes);
      return finishes;
    },
  };
}

/** Whether a stock worker finished a job of Toril's. */
export function isStockFinish(entry: StreamEntry): boolean {
  return (
    entry.event === "completed" && !isSettled(entry) && parseBullId(entry.bullId) !== undefined
  );
}

/** When Redis wrote an entry. */
export function timeOf(position: string): Date {
  return new Date(Number(position.split("-")[0]));
}

function toEntry(entry: StreamEntry): Entry {
  const { position, event, bullId } = entry;
  return { position, event, bullId, isSettled: isSettled(entry) };
}

const settledText = JSON.stringify(settledReturnValue);

function isSettled({ fields }: StreamEntry) {
  return fields["returnvalue"] === settledText;
}

function dropOldest(entries: Map<string, unknown>) {
  for (const id of entries.keys()) {
    if (entries.size <= maxEntries) return;
    entries.delete(id);
  }
}

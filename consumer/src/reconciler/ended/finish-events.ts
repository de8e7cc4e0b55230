import {
  isSettled,
  origin,
  readNewest,
  type StreamEntry,
  type StreamRedis,
} from "@toril/contract/engine/redis/event-stream";
import { parseBullId, queueKeys, settledReturnValue } from "@toril/contract/engine/redis/names";
import { createScript, type ScriptRedis } from "@toril/contract/engine/redis/scripts/script";

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
  /** Reads new entries only if some of these jobs may have finished. Returns the same as `read`. */
  readIfFinished(bullIds: readonly string[]): Promise<Map<string, FinishEvent>>;
}

/** Limits memory: a page contains results of any size. */
const pageSize = 200;
const pagesPerCall = 5;
/** BullMQ keeps about 10,000 entries by default. */
const maxEntries = 20_000;

const settledText = JSON.stringify(settledReturnValue);

/** After one of these events the job is in Redis again, so an earlier finish is obsolete. */
const requeueEvents = new Set(["added", "waiting", "delayed", "waiting-children", "stalled"]);

type Entry = Pick<StreamEntry, "position" | "event" | "bullId"> & { isSettled: boolean };

/**
 * Finds the jobs that failed, or that a stock worker completed, in the part of an event stream between two positions,
 * both exclusive, from its end. Nearly always there are none: Redis counts the entries faster than it sends them.
 * KEYS[1] stream, ARGV[1] first position, ARGV[2] last position or "+", ARGV[3] return value of Toril's own workers
 * Returns the newest position, the oldest one or "" if no older entry is left, and the ids.
 */
const script = `
  local newest, before, result = "", ARGV[2], { "", "" }
  for _ = 1, ${pagesPerCall} do
    local page = redis.call("XREVRANGE", KEYS[1], before, "(" .. ARGV[1], "COUNT", ${pageSize})
    for _, entry in ipairs(page) do
      local fields = {}
      for at = 1, #entry[2], 2 do fields[entry[2][at]] = entry[2][at + 1] end
      if fields.event == "failed" or fields.event == "completed" and fields.returnvalue ~= ARGV[3] then
        result[#result + 1] = fields.jobId
      end
    end
    if newest == "" and page[1] then newest = page[1][1] end
    if #page < ${pageSize} then before = "" break end
    before = "(" .. page[#page][1]
  end
  result[1], result[2] = newest, before
  return result`;

/** Finds finished jobs in the event stream of a queue: stock workers with `removeOnComplete` leave no other trace. */
export function createFinishEvents(
  redis: StreamRedis & ScriptRedis,
  prefix: string,
  queue: string,
): FinishEvents {
  const findFinished = createScript(redis, script);
  const finishedIds = new Set<string>();
  let searchedTo = origin;
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

  async function searchNew() {
    const { events } = queueKeys(prefix, queue);
    let next = searchedTo;
    let before = "+";
    for (
      let entries = 0;
      before !== "" && entries < maxEntries;
      entries += pagesPerCall * pageSize
    ) {
      const reply = await findFinished([events], [searchedTo, before, settledText]);
      const [newest = "", rest = "", ...ids] = (reply as unknown[]).map(String);
      if (before === "+" && newest !== "") next = newest;
      for (const id of ids) finishedIds.add(id);
      before = rest;
    }
    searchedTo = next;
    dropOldest(finishedIds);
  }

  async function read(isLastPage: (page: readonly StreamEntry[]) => boolean = () => false) {
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
  }

  return {
    read,
    async readIfFinished(bullIds) {
      await searchNew();
      return bullIds.some((id) => finishedIds.has(id)) ? read() : new Map();
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

function dropOldest(entries: Map<string, unknown> | Set<string>) {
  for (const id of entries.keys()) {
    if (entries.size <= maxEntries) return;
    entries.delete(id);
  }
}

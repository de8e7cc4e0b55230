import { queueKeys, settledReturnValue } from "./names.ts";

/** An entry of a BullMQ event stream. */
export interface StreamEntry {
  queue: string;
  /** Id of the stream entry, `<ms>-<n>`. */
  position: string;
  event: string;
  bullId: string;
  fields: Readonly<Record<string, string>>;
}

/** Last read stream position by queue. */
export type Positions = Readonly<Record<string, string>>;

/** The position before all entries. */
export const origin = "0-0";

/** The subset of an ioredis client (single or Cluster) that reading streams uses. */
export interface StreamRedis {
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
}

/**
 * Reads the entries after `positions`, at most `count` per queue; blocks up to `blockMs` if there are none. In a
 * Cluster, all queues must be in one slot.
 */
export async function readStreams(
  redis: StreamRedis,
  prefix: string,
  positions: Positions,
  { count, blockMs }: { count: number; blockMs?: number },
): Promise<StreamEntry[]> {
  const queues = Object.keys(positions);
  const keys = queues.map((queue) => queueKeys(prefix, queue).events);
  const block = blockMs === undefined ? [] : ["BLOCK", blockMs];
  const from = Object.values(positions);
  const reply = await redis.call("XREAD", "COUNT", count, ...block, "STREAMS", ...keys, ...from);
  return toPairs(reply).flatMap(([key, entries]) =>
    toEntries(queues[keys.indexOf(String(key))] ?? "", entries),
  );
}

/** Reads the entries after `from`, up to and including `to`, oldest first. */
export async function readRange(
  redis: StreamRedis,
  prefix: string,
  queue: string,
  [from, to]: readonly [from: string, to: string],
  count: number,
): Promise<StreamEntry[]> {
  const { events } = queueKeys(prefix, queue);
  return toEntries(queue, await redis.call("XRANGE", events, `(${from}`, to, "COUNT", count));
}

/**
 * Reads the newest entries between `from` and `to`, both exclusive, newest first; `to` may be `+`, the end of the
 * stream.
 */
export async function readNewest(
  redis: StreamRedis,
  prefix: string,
  queue: string,
  [from, to]: readonly [from: string, to: string],
  count: number,
): Promise<StreamEntry[]> {
  const { events } = queueKeys(prefix, queue);
  const before = to === "+" ? to : `(${to}`;
  return toEntries(
    queue,
    await redis.call("XREVRANGE", events, before, `(${from}`, "COUNT", count),
  );
}

/** Reads one entry; undefined if the stream no longer contains the entry. */
export async function readEntry(
  redis: StreamRedis,
  prefix: string,
  queue: string,
  position: string,
): Promise<StreamEntry | undefined> {
  const { events } = queueKeys(prefix, queue);
  return toEntries(queue, await redis.call("XREVRANGE", events, position, position))[0];
}

export interface StreamEdges {
  first: string | undefined;
  last: string;
  /** Whether entries may have been trimmed from the start. */
  isTrimmed: boolean;
}

/** Reads the first and the last position of a stream. */
export async function readEdges(
  redis: StreamRedis,
  prefix: string,
  queue: string,
): Promise<StreamEdges> {
  const { events } = queueKeys(prefix, queue);
  const reply = await redis.call("XINFO", "STREAM", events).catch((error: unknown) => {
    if (error instanceof Error && error.message.includes("no such key")) return [];
    throw error;
  });
  const info = new Map(toPairs(reply).map(([name, value]) => [String(name), value]));
  const [first] = Array.isArray(info.get("first-entry"))
    ? (info.get("first-entry") as unknown[])
    : [];
  const last = info.get("last-generated-id");
  const added = info.get("entries-added");
  return {
    first: typeof first === "string" ? first : undefined,
    last: typeof last === "string" ? last : origin,
    // Redis before 7 does not report `entries-added`.
    isTrimmed: info.size > 0 && (added === undefined || Number(added) > Number(info.get("length"))),
  };
}

/** Whether entries after `position` may have been trimmed. */
export function hasGap({ first, last, isTrimmed }: StreamEdges, position: string): boolean {
  if (comparePositions(last, position) < 0) return true;
  if (first === undefined || comparePositions(first, position) <= 0) return false;
  return position !== origin || isTrimmed;
}

/** Compares two positions, for sorting. */
export function comparePositions(one: string, other: string): number {
  const [ms = "", count = ""] = one.split("-");
  const [otherMs = "", otherCount = ""] = other.split("-");
  return compareWhole(ms, otherMs) || compareWhole(count, otherCount);
}

/** Compares digit strings without leading zeros; they may exceed the precision of a number. */
function compareWhole(one: string, other: string): number {
  if (one.length !== other.length) return one.length - other.length;
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

const settledText = JSON.stringify(settledReturnValue);

/** Whether one of Toril's workers completed the job, which is settled in Postgres before. */
export function isSettled({ event, fields }: Pick<StreamEntry, "event" | "fields">): boolean {
  return event === "completed" && fields["returnvalue"] === settledText;
}

function toEntries(queue: string, reply: unknown): StreamEntry[] {
  if (!Array.isArray(reply)) return [];
  return reply.map((entry: [string, unknown]) => {
    const [position, flat] = entry;
    const fields = Object.fromEntries(toPairs(flat)) as Record<string, string>;
    return { queue, position, event: fields["event"] ?? "", bullId: fields["jobId"] ?? "", fields };
  });
}

/** Normalizes a map reply: clients return a Map, an object, pairs or a flat list. */
function toPairs(reply: unknown): (readonly [unknown, unknown])[] {
  if (reply instanceof Map) return [...reply];
  if (!Array.isArray(reply)) return Object.entries(reply ?? {});
  if (reply.every((pair) => Array.isArray(pair) && pair.length === 2)) return reply;
  return reply.flatMap((value, at) => (at % 2 === 0 ? [[value, reply[at + 1]] as const] : []));
}

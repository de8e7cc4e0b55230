import { queueKeys } from "./names.ts";

/** An entry of the stream in which BullMQ notes what happens in a queue. */
export interface StreamEntry {
  queue: string;
  /** `<ms>-<n>`, as Redis has it. */
  position: string;
  event: string;
  bullId: string;
  fields: Readonly<Record<string, string>>;
}

/** How far the stream of each queue was read. */
export type Positions = Readonly<Record<string, string>>;

/** Before everything. */
export const origin = "0-0";

/** What reading needs of an ioredis client, single or Cluster. */
export interface StreamRedis {
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
}

/** What stands after `positions`, at most `count` of each queue; waits for it up to `blockMs`. One slot in a Cluster. */
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
  return pairsOf(reply).flatMap(([key, entries]) =>
    toEntries(queues[keys.indexOf(String(key))] ?? "", entries),
  );
}

/** What stands after `from` and not after `to`, the oldest first. */
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

/** The newest entries that stand after `from` and before `to`, the newest first; `+` is the end of the stream. */
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

/** One entry; undefined when the stream no longer has it. */
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
  /** Whether entries may have been dropped at its beginning. */
  isTrimmed: boolean;
}

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
  const info = new Map(pairsOf(reply).map(([name, value]) => [String(name), value]));
  const [first] = Array.isArray(info.get("first-entry"))
    ? (info.get("first-entry") as unknown[])
    : [];
  const last = info.get("last-generated-id");
  const added = info.get("entries-added");
  return {
    first: typeof first === "string" ? first : undefined,
    last: typeof last === "string" ? last : origin,
    // Before Redis 7 nobody counts.
    isTrimmed: info.size > 0 && (added === undefined || Number(added) > Number(info.get("length"))),
  };
}

/** Whether the stream may no longer have all that came after `position`. */
export function hasGap({ first, last, isTrimmed }: StreamEdges, position: string): boolean {
  if (comparePositions(last, position) < 0) return true;
  if (first === undefined || comparePositions(first, position) <= 0) return false;
  return position !== origin || isTrimmed;
}

export function comparePositions(one: string, other: string): number {
  const [ms = "", count = ""] = one.split("-");
  const [otherMs = "", otherCount = ""] = other.split("-");
  return compareWhole(ms, otherMs) || compareWhole(count, otherCount);
}

/** Digits without leading zeros; they may be beyond what a number holds. */
function compareWhole(one: string, other: string): number {
  if (one.length !== other.length) return one.length - other.length;
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function toEntries(queue: string, reply: unknown): StreamEntry[] {
  if (!Array.isArray(reply)) return [];
  return reply.map((entry: [string, unknown]) => {
    const [position, flat] = entry;
    const fields = Object.fromEntries(pairsOf(flat)) as Record<string, string>;
    return { queue, position, event: fields["event"] ?? "", bullId: fields["jobId"] ?? "", fields };
  });
}

/** A map, however the client hands it over. */
function pairsOf(reply: unknown): (readonly [unknown, unknown])[] {
  if (reply instanceof Map) return [...reply];
  if (!Array.isArray(reply)) return Object.entries(reply ?? {});
  if (reply.every((pair) => Array.isArray(pair) && pair.length === 2)) return reply;
  return reply.flatMap((value, at) => (at % 2 === 0 ? [[value, reply[at + 1]] as const] : []));
}

import {
  comparePositions,
  origin,
  type Positions,
} from "@toril/contract/engine/redis/event-stream";
import { ProblemError } from "../http/problem.ts";

const encoder = new TextEncoder();

/** Encodes one server-sent event. JSON escapes line breaks, so `data` always fits one line. */
export function toFrame(event: string, data: unknown, id: string | undefined): Uint8Array {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return encoder.encode(`${idLine}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Encodes a comment, which is no event, with the client's new cursor. */
export function toHeartbeat(id: string | undefined): Uint8Array {
  return encoder.encode(id === undefined ? ":\n\n" : `:\nid: ${id}\n\n`);
}

/** Marks the id of the last event of a stream. */
const finalSuffix = ";end";

/** Encodes stream positions as the `id` of an event: `default:1764150000000-0,feeds:0-0`. */
export function encodeCursor(positions: Positions): string {
  return Object.entries(positions)
    .map(([queue, position]) => `${queue}:${position}`)
    .join(",");
}

export function encodeFinalCursor(positions: Positions): string {
  return `${encodeCursor(positions)}${finalSuffix}`;
}

export function isFinalCursor(id: string | undefined): boolean {
  return id?.endsWith(finalSuffix) ?? false;
}

/**
 * Returns the position to resume from in each queue, the beginning for a queue that the id does not name. Undefined if
 * the id is malformed.
 */
export function decodeCursor(id: string, queues: readonly string[]): Positions | undefined {
  const positions = new Map<string, string>();
  for (const part of id.split(",")) {
    const [, queue, position] = /^(.+):(\d{1,20}-\d{1,20})$/.exec(part) ?? [];
    if (queue === undefined || position === undefined) return undefined;
    positions.set(queue, position);
  }
  return Object.fromEntries(queues.map((queue) => [queue, positions.get(queue) ?? origin]));
}

/** Parses `Last-Event-ID`. Throws a problem if the id is malformed. */
export function parseLastEventId(lastEventId: string | undefined, queues: readonly string[]) {
  if (lastEventId === undefined || lastEventId === "") return undefined;
  const cursor = decodeCursor(lastEventId, queues);
  if (cursor !== undefined) return cursor;
  throw new ProblemError(
    "invalid-parameter",
    "Last-Event-ID is not the id of an event of this stream.",
  );
}

export function isAfter(position: string, other: string | undefined): boolean {
  return other === undefined || comparePositions(position, other) > 0;
}

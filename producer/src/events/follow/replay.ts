import { setImmediate as nextTurn } from "node:timers/promises";
import {
  hasGap,
  type StreamEdges,
  type StreamEntry,
} from "@toril/contract/engine/redis/event-stream";
import type { Turns } from "@toril/contract/engine/turns";
import { isAfter } from "../frame.ts";
import type { MapToEvents, TenantEvent } from "../hub/event-mapper.ts";
import type { EventSink } from "../event-stream.ts";

export interface ReplayDeps {
  readEdges(queue: string): Promise<StreamEdges>;
  readRange(queue: string, range: readonly [string, string], count: number): Promise<StreamEntry[]>;
  mapToEvents: MapToEvents;
  /** Replays share the slots slice by slice, and tenants take turns. */
  turns: Turns;
}

export interface ReplayRequest {
  tenant: string;
  queue: string;
  /** Exclusive; `to` is inclusive. */
  from: string;
  to: string;
  sink: EventSink;
  isWanted?(entry: StreamEntry): boolean;
  send(event: TenantEvent, position: string): void;
}

/** Replays events. Calls `onGap` before the first event if Redis may no longer have all of them. */
export type Replay = (request: ReplayRequest, onGap: () => void) => Promise<void>;

/** Small, because converting a slice to text blocks the event loop. */
const sliceSize = 100;

/** Replays past events in slices, no faster than the client reads. */
export function createReplay({ readEdges, readRange, mapToEvents, turns }: ReplayDeps): Replay {
  /** @returns the position where the next slice begins; undefined after the last slice */
  async function sendSlice({ queue, from, to, isWanted, send }: ReplayRequest) {
    const slice = await readRange(queue, [from, to], sliceSize);
    const wanted = isWanted ? slice.filter(isWanted) : slice;
    const events = wanted.length === 0 ? [] : await mapToEvents(wanted);
    for (const [index, entry] of wanted.entries()) {
      const event = events[index];
      if (event !== undefined) send(event, entry.position);
    }
    await nextTurn();
    return slice.length < sliceSize ? undefined : slice.at(-1)?.position;
  }

  return async (request, onGap) => {
    const { tenant, queue, from, to, sink } = request;
    if (hasGap(await readEdges(queue), from)) onGap();
    let position: string | undefined = from;
    while (position !== undefined && sink.isOpen && isAfter(to, position)) {
      const endTurn = await turns.take(tenant);
      try {
        position = sink.isOpen ? await sendSlice({ ...request, from: position }) : undefined;
      } finally {
        endTurn();
      }
      await sink.drained();
    }
  };
}

import { setImmediate as nextTurn } from "node:timers/promises";
import {
  hasGap,
  type StreamEdges,
  type StreamEntry,
} from "@toril/contract/engine/redis/event-stream";
import type { Turns } from "@toril/contract/engine/turns";
import { isAfter } from "./cursor.ts";
import type { Describe, Happening } from "./describe.ts";
import type { EventSink } from "./event-stream.ts";

export interface ReplayDeps {
  readEdges(queue: string): Promise<StreamEdges>;
  readRange(queue: string, range: readonly [string, string], count: number): Promise<StreamEntry[]>;
  describe: Describe;
  /** Replays share them slice by slice, and tenants take turns. */
  turns: Turns;
}

export interface ReplayRequest {
  tenant: string;
  queue: string;
  /** After `from`, and not after `to`. */
  from: string;
  to: string;
  sink: EventSink;
  isWanted?(entry: StreamEntry): boolean;
  give(happening: Happening, position: string): void;
}

/** @returns whether Redis may no longer have all that was asked for; it is said before anything is given */
export type Replay = (request: ReplayRequest, onGap: () => void) => Promise<void>;

/** Short, because nothing else is done while a slice becomes text. */
const sliceSize = 100;

/** Gives what happened in the meantime, slice by slice, no faster than the client reads. */
export function createReplay({ readEdges, readRange, describe, turns }: ReplayDeps): Replay {
  /** @returns where the next slice begins; undefined after the last one */
  async function giveSlice({ queue, from, to, isWanted, give }: ReplayRequest) {
    const slice = await readRange(queue, [from, to], sliceSize);
    const wanted = isWanted ? slice.filter(isWanted) : slice;
    const happenings = wanted.length === 0 ? [] : await describe(wanted);
    for (const [index, entry] of wanted.entries()) {
      const happening = happenings[index];
      if (happening !== undefined) give(happening, entry.position);
    }
    await nextTurn();
    return slice.length < sliceSize ? undefined : slice.at(-1)?.position;
  }

  return async (request, onGap) => {
    const { tenant, queue, from, to, sink } = request;
    if (hasGap(await readEdges(queue), from)) onGap();
    let at: string | undefined = from;
    while (at !== undefined && sink.isOpen && isAfter(to, at)) {
      const endTurn = await turns.take(tenant);
      try {
        at = sink.isOpen ? await giveSlice({ ...request, from: at }) : undefined;
      } finally {
        endTurn();
      }
      await sink.drained();
    }
  };
}

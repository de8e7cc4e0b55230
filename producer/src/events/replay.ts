import { hasGap, type StreamEdges, type StreamEntry } from "@toril/contract/dispatch/event-stream";
import { isAfter } from "./cursor.ts";
import type { Describe, Happening } from "./describe.ts";
import type { EventSink } from "./event-stream.ts";

export interface ReplayDeps {
  readEdges(queue: string): Promise<StreamEdges>;
  readRange(queue: string, range: readonly [string, string], count: number): Promise<StreamEntry[]>;
  describe: Describe;
}

export interface ReplayRequest {
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

const pageSize = 500;

/** Gives what happened in the meantime, page by page, no faster than the client reads. */
export function createReplay({ readEdges, readRange, describe }: ReplayDeps): Replay {
  return async ({ queue, from, to, sink, isWanted, give }, onGap) => {
    if (hasGap(await readEdges(queue), from)) onGap();
    let at = from;
    while (sink.isOpen && isAfter(to, at)) {
      const page = await readRange(queue, [at, to], pageSize);
      const wanted = isWanted ? page.filter(isWanted) : page;
      const happenings = wanted.length === 0 ? [] : await describe(wanted);
      for (const [index, entry] of wanted.entries()) {
        const happening = happenings[index];
        if (happening !== undefined) give(happening, entry.position);
      }
      await sink.drained();
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return;
      at = last.position;
    }
  };
}

import { origin } from "@toril/contract/engine/redis/event-stream";
import { isPermitted } from "../auth/principal.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import { decodeCursor, encodeCursor, isAfter } from "./cursor.ts";
import type { Happening } from "./describe.ts";
import { headOnly, type OpenEventStream } from "./event-stream.ts";
import { toFrame, toMark } from "./frame.ts";
import type { EventHub, Listener } from "./event-hub.ts";
import type { Replay } from "./replay.ts";

export interface FollowDeps {
  hub: EventHub;
  replay: Replay;
  openStream: OpenEventStream;
}

/** Streams the events of these queues for all jobs the caller may read. */
export type FollowJobs = (
  exchange: RequestContext,
  queues: readonly string[],
  lastEventId: string | undefined,
) => Promise<Response>;

export function createFollowJobs({ hub, replay, openStream }: FollowDeps): FollowJobs {
  return async (exchange, queues, lastEventId) => {
    const head = headOnly(exchange);
    if (head !== undefined) return head;
    const { principal } = exchange;
    const after = cursorFrom(lastEventId, queues);
    const isMeant = ({ tenant, event }: Happening) =>
      tenant === principal.tenant && isPermitted(principal, event);
    const listener: Listener = {
      queues,
      after,
      isMeant,
      receive: (_event, _id, frame) => sink.sendLive(frame),
      onGap: (queue) => sink.sendLive(toFrame("gap", { queue }, hub.cursorOf(listener))),
      end: () => sink.end(),
    };
    const { sink, response } = openStream(exchange, {
      // During the replay the client has not received what the hub has read, so the heartbeat carries no cursor.
      heartbeat: () => toMark(sink.isHolding ? undefined : hub.cursorOf(listener)),
      onEnd: () => hub.leave(listener),
    });
    const live = await hub.join(listener);
    if (live === undefined || !sink.isOpen) {
      hub.leave(listener);
      sink.end();
      throw new ProblemError("at-capacity", "Redis is away: nothing is known of what happens.");
    }
    const seen: Record<string, string> = { ...(after ?? pick(live, queues)) };

    async function catchUp() {
      for (const queue of queues) {
        const [from = origin, to = origin] = [seen[queue], live?.[queue]];
        if (!isAfter(to, from)) continue;
        await replay(
          {
            tenant: principal.tenant,
            queue,
            from,
            to,
            sink,
            give(happening, position) {
              if (!isMeant(happening)) return;
              seen[queue] = position;
              const { event } = happening;
              sink.send(toFrame(event.event, event, encodeCursor(seen)));
            },
          },
          () => sink.send(toFrame("gap", { queue }, undefined)),
        );
        seen[queue] = to;
      }
    }

    sink.send(toMark(encodeCursor(seen)));
    async function begin() {
      await catchUp();
      await sink.release();
    }

    begin().catch((error: unknown) => sink.fail(error));
    return response;
  };
}

/** Parses `Last-Event-ID`. Throws a problem if the id is malformed. */
export function cursorFrom(lastEventId: string | undefined, queues: readonly string[]) {
  if (lastEventId === undefined || lastEventId === "") return undefined;
  const cursor = decodeCursor(lastEventId, queues);
  if (cursor !== undefined) return cursor;
  throw new ProblemError("invalid-parameter", "Last-Event-ID is none that was given out here.");
}

function pick(positions: Readonly<Record<string, string>>, queues: readonly string[]) {
  return Object.fromEntries(queues.map((queue) => [queue, positions[queue] ?? origin]));
}

import { origin } from "@toril/contract/engine/redis/event-stream";
import { isPermitted } from "../../auth/principal.ts";
import type { RequestContext } from "../../http/request-context.ts";
import { ProblemError } from "../../http/problem.ts";
import { encodeCursor, isAfter, parseLastEventId, toFrame, toHeartbeat } from "../frame.ts";
import type { TenantEvent } from "../hub/event-mapper.ts";
import { toHeadResponse, type OpenEventStream } from "../event-stream.ts";
import type { EventHub } from "../hub/event-hub.ts";
import type { Subscription } from "../hub/subscriptions.ts";
import type { Replay } from "./replay.ts";

export interface FollowJobsDeps {
  hub: EventHub;
  replay: Replay;
  openStream: OpenEventStream;
}

/** Streams the events of these queues for all jobs the caller may read. */
export type FollowJobs = (
  context: RequestContext,
  queues: readonly string[],
  lastEventId: string | undefined,
) => Promise<Response>;

export function createFollowJobs({ hub, replay, openStream }: FollowJobsDeps): FollowJobs {
  return async (context, queues, lastEventId) => {
    const head = toHeadResponse(context);
    if (head !== undefined) return head;
    const { principal } = context;
    const after = parseLastEventId(lastEventId, queues);
    const isVisible = ({ tenant, event }: TenantEvent) =>
      tenant === principal.tenant && isPermitted(principal, event);
    const subscription: Subscription = {
      queues,
      after,
      isVisible,
      receive: (_event, _id, frame) => sink.sendLive(frame),
      onGap: (queue) => sink.sendLive(toFrame("gap", { queue }, hub.getCursor(subscription))),
      end: () => sink.end(),
    };
    const { sink, response } = openStream(context, {
      // During the replay the client has not received what the hub has read, so the heartbeat contains no cursor.
      heartbeat: () => toHeartbeat(sink.isReplaying ? undefined : hub.getCursor(subscription)),
      onEnd: () => hub.unsubscribe(subscription),
    });
    const livePositions = await hub.subscribeWithPositions(subscription);
    if (livePositions === undefined || !sink.isOpen) {
      hub.unsubscribe(subscription);
      sink.end();
      throw new ProblemError("at-capacity", "Redis is unavailable, so events cannot be read.");
    }
    const positions: Record<string, string> = { ...(after ?? pick(livePositions, queues)) };

    async function replayMissed() {
      for (const queue of queues) {
        const [from = origin, to = origin] = [positions[queue], livePositions?.[queue]];
        if (!isAfter(to, from)) continue;
        await replay(
          {
            tenant: principal.tenant,
            queue,
            from,
            to,
            sink,
            send(tenantEvent, position) {
              if (!isVisible(tenantEvent)) return;
              positions[queue] = position;
              const { event } = tenantEvent;
              sink.send(toFrame(event.event, event, encodeCursor(positions)));
            },
          },
          () => sink.send(toFrame("gap", { queue }, undefined)),
        );
        positions[queue] = to;
      }
    }

    sink.send(toHeartbeat(encodeCursor(positions)));
    async function start() {
      await replayMissed();
      await sink.release();
    }

    start().catch((error: unknown) => sink.fail(error));
    return response;
  };
}

function pick(positions: Readonly<Record<string, string>>, queues: readonly string[]) {
  return Object.fromEntries(queues.map((queue) => [queue, positions[queue] ?? origin]));
}

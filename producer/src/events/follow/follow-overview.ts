import type { Overview } from "@toril/contract/api/overview";
import type { Logger } from "pino";
import type { RequestContext } from "../../http/request-context.ts";
import { type OpenEventStream, toHeadResponse } from "../event-stream.ts";
import { toFrame, toHeartbeat } from "../frame.ts";
import { createPollLoop } from "../poll-loop.ts";

export interface FollowOverviewDeps {
  read(): Promise<Overview>;
  openStream: OpenEventStream;
  log: Pick<Logger, "warn">;
  everyMs?: number;
}

export interface OverviewFollowing {
  /**
   * Streams the overview, from `snapshot` on.
   * @param view the part of an overview that the caller may read
   */
  follow(
    context: RequestContext,
    snapshot: Overview,
    view: (overview: Overview) => Overview,
  ): Response;
  close(): void;
}

interface Subscriber {
  send(overview: Overview): void;
  end(): void;
}

/** One read serves all streams. */
export function createFollowOverview(deps: FollowOverviewDeps): OverviewFollowing {
  const { read, openStream, log, everyMs = 2000 } = deps;
  const subscribers = new Set<Subscriber>();
  let isClosed = false;
  const loop = createPollLoop(poll, { everyMs, isNeeded: () => subscribers.size > 0, log });

  async function poll() {
    try {
      const overview = await read();
      for (const subscriber of subscribers) subscriber.send(overview);
    } catch (error) {
      // A client that connects again receives the reason as a problem.
      endAll();
      throw error;
    }
  }

  function endAll() {
    for (const subscriber of subscribers) subscriber.end();
  }

  return {
    follow(context, snapshot, view) {
      const head = toHeadResponse(context);
      if (head !== undefined) return head;
      let sent: Overview | undefined;
      const subscriber: Subscriber = {
        send(overview) {
          if (overview === sent) return;
          const slots = sent === undefined ? overview.slots : findNewSlots(overview, sent);
          const event = sent === undefined ? "snapshot" : "update";
          sink.send(toFrame(event, { ...view(overview), slots }, undefined));
          sent = overview;
        },
        end: () => sink.end(),
      };
      const { sink, response } = openStream(context, {
        heartbeat: () => toHeartbeat(undefined),
        onEnd: () => subscribers.delete(subscriber),
      });
      subscribers.add(subscriber);
      subscriber.send(snapshot);
      if (isClosed) sink.end();
      loop.pollSoon();
      return response;
    },
    close() {
      isClosed = true;
      loop.close();
      endAll();
    },
  };
}

/** The slots since the last but one that was sent: other processes still add to both of them. */
function findNewSlots({ slots }: Overview, sent: Overview): Overview["slots"] {
  const first = sent.slots.at(-2)?.at ?? "";
  return slots.filter(({ at }) => at >= first);
}

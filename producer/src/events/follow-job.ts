import { origin, type Positions } from "@toril/contract/engine/redis/event-stream";
import { parseBullId } from "@toril/contract/engine/redis/names";
import type { JobEvent } from "@toril/contract/api/event";
import type { Job } from "@toril/contract/api/job";
import type { RequestContext } from "../http/request-context.ts";
import { encodeCursor, encodeEnd, isAfter, isEnd } from "./cursor.ts";
import { headOnly } from "./event-stream.ts";
import { toFrame, toMark } from "./frame.ts";
import { cursorFrom, type FollowDeps } from "./follow-jobs.ts";
import type { Listener } from "./event-hub.ts";

export interface FollowJobDeps extends FollowDeps {
  /** Reads the current state of the job. */
  read(tenant: string, id: string): Promise<Job | undefined>;
}

/** Streams the events of one job. The caller must have checked access. */
export type FollowJob = (
  exchange: RequestContext,
  job: { id: string; queue: string },
  lastEventId: string | undefined,
) => Promise<Response>;

export function createFollowJob({ hub, replay, openStream, read }: FollowJobDeps): FollowJob {
  return async (exchange, { id, queue }, lastEventId) => {
    if (isEnd(lastEventId)) return new Response(null, { status: 204 });
    const head = headOnly(exchange);
    if (head !== undefined) return head;
    const { tenant } = exchange.principal;
    const after = cursorFrom(lastEventId, [queue]);
    let lastEvent: JobEvent | undefined;
    let isEnding = false;
    let seen: Positions = after ?? {};
    const listener: Listener = {
      queues: [queue],
      jobId: id,
      after,
      receive(event, _id, frame) {
        if (event.status === "pending") sink.sendLive(frame);
        else if (sink.isHolding) lastEvent ??= event;
        else finish(event);
      },
      end: () => sink.end(),
    };
    const { sink, response } = openStream(exchange, {
      heartbeat: () => toMark(sink.isHolding ? undefined : hub.cursorOf(listener)),
      onEnd: () => hub.leave(listener),
    });

    function finish(event: JobEvent) {
      if (isEnding) return;
      isEnding = true;
      hub.leave(listener);
      sendEnd(event).catch((error: unknown) => sink.fail(error));
    }

    async function sendEnd(event: JobEvent) {
      const job = await read(tenant, id);
      const whole = job === undefined || job.status === "pending" ? event : { ...event, job };
      sink.send(toFrame(event.event, whole, encodeEnd(seen)));
      sink.end();
    }

    async function begin(live: Positions | undefined) {
      let isWhole = after !== undefined && live !== undefined;
      const [from = origin, to = origin] = [after?.[queue], live?.[queue]];
      if (isWhole && isAfter(to, from)) {
        await replay(
          {
            tenant,
            queue,
            from,
            to,
            sink,
            isWanted: ({ bullId }) => parseBullId(bullId)?.id === id,
            give({ event }, position) {
              seen = { [queue]: position };
              const cursor = encodeCursor(seen);
              if (event.status !== "pending") finish(event);
              else if (!isEnding) sink.send(toFrame(event.event, event, cursor));
            },
          },
          () => {
            isWhole = false;
            sink.send(toFrame("gap", { queue }, undefined));
          },
        );
      }
      if (live !== undefined) seen = { [queue]: isAfter(to, from) ? to : from };
      if (isWhole) return;
      const job = await read(tenant, id);
      if (job === undefined) return sink.end();
      sink.send(toFrame("snapshot", job, live && encodeCursor(seen)));
    }

    const live = await hub.join(listener);
    if (hub.isClosed) sink.end();
    // The client disconnected while the listener was joining.
    if (!sink.isOpen) hub.leave(listener);
    async function tell() {
      await begin(live);
      if (!isEnding) await sink.release();
      if (lastEvent !== undefined) finish(lastEvent);
    }
    tell().catch((error: unknown) => sink.fail(error));
    return response;
  };
}

import { origin, type Positions } from "@toril/contract/engine/redis/event-stream";
import { parseBullId } from "@toril/contract/engine/redis/names";
import type { Logger } from "pino";
import type { JobEvent } from "@toril/contract/api/jobs/event";
import type { Job } from "@toril/contract/api/jobs/job";
import type { RequestContext } from "../../http/request-context.ts";
import {
  encodeCursor,
  encodeFinalCursor,
  isAfter,
  isFinalCursor,
  parseLastEventId,
  toFrame,
  toHeartbeat,
} from "../frame.ts";
import { toHeadResponse, type OpenEventStream } from "../event-stream.ts";
import type { EventHub } from "../hub/event-hub.ts";
import type { Subscription } from "../hub/subscriptions.ts";
import type { Replay } from "./replay.ts";

export interface FollowJobDeps {
  hub: EventHub;
  replay: Replay;
  openStream: OpenEventStream;
  /** Reads the current state of the job. */
  readJob(tenant: string, id: string): Promise<Job | undefined>;
  log: Logger;
}

/** Streams the events of one job. The caller must have checked access. */
export type FollowJob = (
  context: RequestContext,
  job: { id: string; queue: string },
  lastEventId: string | undefined,
) => Promise<Response>;

export function createFollowJob(deps: FollowJobDeps): FollowJob {
  const { hub, replay, openStream, readJob, log } = deps;
  return async (context, { id, queue }, lastEventId) => {
    if (isFinalCursor(lastEventId)) return new Response(null, { status: 204 });
    const head = toHeadResponse(context);
    if (head !== undefined) return head;
    const { tenant } = context.principal;
    const after = parseLastEventId(lastEventId, [queue]);
    let lastEvent: JobEvent | undefined;
    let isEnding = false;
    let positions: Positions = after ?? {};
    const subscription: Subscription = {
      queues: [queue],
      jobId: id,
      after,
      receive(event, _id, frame) {
        if (event.status === "pending") sink.sendLive(frame);
        else if (sink.isReplaying) lastEvent ??= event;
        else finish(event);
      },
      end: () => sink.end(),
    };
    const { sink, response } = openStream(context, {
      heartbeat: () => toHeartbeat(sink.isReplaying ? undefined : hub.getCursor(subscription)),
      onEnd: () => hub.unsubscribe(subscription),
    });

    function finish(event: JobEvent) {
      if (isEnding) return;
      isEnding = true;
      hub.unsubscribe(subscription);
      sendFinalEvent(event).catch((error: unknown) => sink.fail(error));
    }

    async function sendFinalEvent(event: JobEvent) {
      // The end is known: the stream reports it without the job rather than not at all.
      const job = await readJob(tenant, id).catch((error: unknown) => {
        log.warn({ err: error, jobId: id }, "failed to read a job that has ended");
        return undefined;
      });
      const withJob = job === undefined || job.status === "pending" ? event : { ...event, job };
      sink.send(toFrame(event.event, withJob, encodeFinalCursor(positions)));
      sink.end();
    }

    async function replayOrSnapshot(livePositions: Positions | undefined) {
      let isComplete = after !== undefined && livePositions !== undefined;
      const [from = origin, to = origin] = [after?.[queue], livePositions?.[queue]];
      if (isComplete && isAfter(to, from)) {
        await replay(
          {
            tenant,
            queue,
            from,
            to,
            sink,
            isWanted: ({ bullId }) => parseBullId(bullId)?.id === id,
            send({ event }, position) {
              positions = { [queue]: position };
              const cursor = encodeCursor(positions);
              if (event.status !== "pending") finish(event);
              else if (!isEnding) sink.send(toFrame(event.event, event, cursor));
            },
          },
          () => {
            isComplete = false;
            sink.send(toFrame("gap", { queue }, undefined));
          },
        );
      }
      if (livePositions !== undefined) positions = { [queue]: isAfter(to, from) ? to : from };
      if (isComplete) return;
      const job = await readJob(tenant, id);
      if (job === undefined) return sink.end();
      sink.send(toFrame("snapshot", job, livePositions && encodeCursor(positions)));
    }

    const livePositions = await hub.subscribeWithPositions(subscription);
    if (hub.isClosed) sink.end();
    // The client disconnected while the subscription was added.
    if (!sink.isOpen) hub.unsubscribe(subscription);
    async function start() {
      await replayOrSnapshot(livePositions);
      if (!isEnding) await sink.release();
      if (lastEvent !== undefined) finish(lastEvent);
    }
    start().catch((error: unknown) => sink.fail(error));
    return response;
  };
}

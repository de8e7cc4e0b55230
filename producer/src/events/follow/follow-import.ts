import type { Import } from "@toril/contract/api/import";
import type { Logger } from "pino";
import type { RequestContext } from "../../http/request-context.ts";
import { isFinalCursor, toFrame, toHeartbeat } from "../frame.ts";
import { toHeadResponse, type OpenEventStream } from "../event-stream.ts";
import { createPollLoop } from "../poll-loop.ts";

export interface FollowImportDeps {
  findMany(ids: readonly string[]): Promise<Import[]>;
  openStream: OpenEventStream;
  log: Pick<Logger, "warn">;
  everyMs?: number;
}

export interface ImportFollowing {
  /** Streams snapshots of an import. The caller must have checked access. */
  follow(context: RequestContext, snapshot: Import, lastEventId: string | undefined): Response;
  close(): void;
}

interface Subscriber {
  send(snapshot: Import): void;
  end(): void;
}

/** One query reads all followed imports. */
export function createFollowImport(deps: FollowImportDeps): ImportFollowing {
  const { findMany, openStream, log, everyMs = 1000 } = deps;
  const subscribers = new Map<string, Set<Subscriber>>();
  let isClosed = false;
  const loop = createPollLoop(poll, { everyMs, isNeeded: () => subscribers.size > 0, log });

  async function poll() {
    for (const snapshot of await findMany([...subscribers.keys()])) {
      for (const subscriber of subscribers.get(snapshot.id) ?? []) subscriber.send(snapshot);
    }
  }

  return {
    follow(context, snapshot, lastEventId) {
      if (isFinalCursor(lastEventId)) return new Response(null, { status: 204 });
      const head = toHeadResponse(context);
      if (head !== undefined) return head;
      const { id } = snapshot;
      let last: string | undefined;
      const subscriber: Subscriber = {
        send(current) {
          const text = JSON.stringify(current);
          if (text === last) return;
          last = text;
          const hasEnded = isFinal(current);
          sink.send(toFrame("snapshot", current, hasEnded ? ";end" : undefined));
          if (hasEnded) sink.end();
        },
        end: () => sink.end(),
      };
      const { sink, response } = openStream(context, {
        heartbeat: () => toHeartbeat(undefined),
        onEnd() {
          const others = subscribers.get(id);
          if (others?.delete(subscriber) && others.size === 0) subscribers.delete(id);
        },
      });
      subscribers.set(id, (subscribers.get(id) ?? new Set()).add(subscriber));
      subscriber.send(snapshot);
      if (isClosed) sink.end();
      loop.pollSoon();
      return response;
    },
    close() {
      isClosed = true;
      loop.close();
      const open = [...subscribers.values()].flatMap((ofImport) => [...ofImport]);
      for (const subscriber of open) subscriber.end();
    },
  };
}

/** A failed or cancelled import is final only when the jobs accepted before have ended. */
function isFinal({ status, counts, dryRun }: Import): boolean {
  const { accepted, completed, dead, cancelled, expired } = counts;
  const hasEnded = dryRun || completed + dead + cancelled + expired >= accepted;
  return status === "done" || ((status === "failed" || status === "cancelled") && hasEnded);
}

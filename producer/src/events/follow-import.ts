import type { Import } from "@toril/contract/api/import";
import type { Logger } from "pino";
import type { RequestContext } from "../http/request-context.ts";
import { isEnd } from "./cursor.ts";
import { headOnly, type OpenEventStream } from "./event-stream.ts";
import { toFrame, toMark } from "./frame.ts";
import { createJobWatcher } from "./job-watcher.ts";

export interface FollowImportDeps {
  findMany(ids: readonly string[]): Promise<Import[]>;
  openStream: OpenEventStream;
  log: Pick<Logger, "warn">;
  everyMs?: number;
}

export interface ImportFollowing {
  /** Streams snapshots of an import. The caller must have checked access. */
  follow(exchange: RequestContext, found: Import, lastEventId: string | undefined): Response;
  close(): void;
}

interface Follower {
  send(found: Import): void;
  end(): void;
}

/** One query reads all followed imports. */
export function createFollowImport(deps: FollowImportDeps): ImportFollowing {
  const { findMany, openStream, log, everyMs = 1000 } = deps;
  const followers = new Map<string, Set<Follower>>();
  let isClosed = false;
  const looking = createJobWatcher(look, { everyMs, isNeeded: () => followers.size > 0, log });

  async function look() {
    for (const found of await findMany([...followers.keys()])) {
      for (const follower of followers.get(found.id) ?? []) follower.send(found);
    }
  }

  return {
    follow(exchange, found, lastEventId) {
      if (isEnd(lastEventId)) return new Response(null, { status: 204 });
      const head = headOnly(exchange);
      if (head !== undefined) return head;
      const { id } = found;
      let last: string | undefined;
      const follower: Follower = {
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
      const { sink, response } = openStream(exchange, {
        heartbeat: () => toMark(undefined),
        onEnd() {
          const others = followers.get(id);
          if (others?.delete(follower) && others.size === 0) followers.delete(id);
        },
      });
      followers.set(id, (followers.get(id) ?? new Set()).add(follower));
      follower.send(found);
      if (isClosed) sink.end();
      looking.soon();
      return response;
    },
    close() {
      isClosed = true;
      looking.close();
      const left = [...followers.values()].flatMap((some) => [...some]);
      for (const follower of left) follower.end();
    },
  };
}

/** A failed import is final only when the jobs accepted before the failure have ended. */
function isFinal({ status, counts }: Import): boolean {
  const { accepted, completed, dead, cancelled, expired } = counts;
  if (status === "failed") return completed + dead + cancelled + expired >= accepted;
  return status === "done" || status === "cancelled";
}

import * as routes from "@toril/contract/api/http/queues";
import { limits } from "@toril/contract/api/limits";
import { fieldErrors } from "@toril/contract/api/problem";
import { QueueChange, QueueCleaning } from "@toril/contract/api/queue";
import { z } from "zod";
import { readJson } from "../http/body.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import type { CleanQueue } from "./clean-queue.ts";
import type { DrainQueue } from "./drain-queue.ts";
import type { QueueControl } from "./queue-control.ts";
import type { QueueReader } from "./queue-reader.ts";
import { requireQueue, visibleQueues } from "./visible-queues.ts";

const Offset = z.string().regex(/^\d{1,9}$/);

export interface QueueRoutesDeps {
  queueReader: QueueReader;
  queueControl: QueueControl;
  drainQueue: DrainQueue;
  cleanQueue: CleanQueue;
}

export function queueRoutes(deps: QueueRoutesDeps): HandledRoute[] {
  const { queueReader, queueControl, drainQueue, cleanQueue } = deps;

  function setPaused(context: RequestContext, queue: string, paused: boolean) {
    requireQueue(context, queue);
    const { principal, trail, storeEarlyResponse } = context;
    return queueControl.change(principal.tenant, queue, { paused }, trail, storeEarlyResponse);
  }

  return [
    handle(routes.listQueues, async (c) =>
      c.json({ items: await queueReader.read(visibleQueues(c.env)) }, 200),
    ),

    handle(routes.getQueue, async (c) => {
      const { queue } = c.req.valid("param");
      requireQueue(c.env, queue);
      const [body] = await queueReader.read([queue]);
      if (body === undefined) throw new ProblemError("queue-not-found");
      return c.json(body, 200);
    }),

    handle(routes.changeQueue, async (c) => {
      const { queue } = c.req.valid("param");
      requireQueue(c.env, queue);
      const parsed = QueueChange.safeParse(await readJson(c.env, limits.bodyBytes));
      if (!parsed.success) {
        throw new ProblemError("invalid-request", undefined, fieldErrors(parsed.error.issues));
      }
      const { principal, trail } = c.env;
      const { settings, isApplied } = await queueControl.change(
        principal.tenant,
        queue,
        parsed.data,
        trail,
      );
      return c.json(settings, isApplied ? 200 : 202);
    }),

    handle(routes.pauseQueue, async (c) => {
      const { settings, isApplied } = await setPaused(c.env, c.req.valid("param").queue, true);
      return c.json(settings, isApplied ? 200 : 202);
    }),

    handle(routes.resumeQueue, async (c) => {
      const { settings, isApplied } = await setPaused(c.env, c.req.valid("param").queue, false);
      return c.json(settings, isApplied ? 200 : 202);
    }),

    handle(routes.drainQueue, async (c) => {
      const { queue } = c.req.valid("param");
      requireQueue(c.env, queue);
      const { delayed, cursor } = c.req.valid("query");
      const { cancelled, next } = await drainQueue(c.env.principal.tenant, queue, {
        includesDelayed: delayed === "true",
        after: cursor === undefined ? undefined : decodeCursor(cursor),
      });
      return c.json({ cancelled, next: next === null ? null : encodeCursor(next) }, 200);
    }),

    handle(routes.cleanQueue, async (c) => {
      const { queue } = c.req.valid("param");
      requireQueue(c.env, queue);
      const { cursor } = c.req.valid("query");
      const offset = cursor === undefined ? 0 : Number(decodeCursor(cursor, Offset));
      const parsed = QueueCleaning.safeParse(await readJson(c.env, limits.bodyBytes));
      if (!parsed.success) {
        throw new ProblemError("invalid-request", undefined, fieldErrors(parsed.error.issues));
      }
      const { olderThanMs } = parsed.data;
      const page = { olderThanMs, offset };
      const { removed, next } = await cleanQueue(c.env.principal.tenant, queue, page);
      return c.json({ removed, next: next === null ? null : encodeCursor(String(next)) }, 200);
    }),
  ];
}

import type { RouteHandler } from "@hono/zod-openapi";
import type { listJobs as route } from "@toril/contract/http/jobs";
import type { AppEnv } from "../app-env.ts";
import { callerOf, reachOf } from "../caller.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import type { LiveJobs } from "../live-jobs.ts";
import type { JobReader } from "../read-jobs.ts";

export function listJobs(jobs: JobReader, live: LiveJobs): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { cursor, limit, ...filter } = c.req.valid("query");
    const before = cursor === undefined ? undefined : decodeCursor(cursor);
    const { tenant } = callerOf(c.env);
    // One more than asked tells whether there is a next page.
    const rows = await jobs.list({ tenant, before, ...filter, reach: reachOf(c.env) }, limit + 1);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return c.json(
      { items: await live.describe(page), next: last ? encodeCursor(last.id) : null },
      200,
    );
  };
}

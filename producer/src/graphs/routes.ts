import type { Api } from "@toril/contract/api/http/index";
import { listChildren } from "@toril/contract/api/http/jobs/graphs";
import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { readChildIds } from "@toril/contract/engine/jobs/graph/read-children";
import { isPermitted } from "../auth/principal.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import type { LiveJobs } from "../jobs/live-jobs.ts";
import { type JobReader, requireJob } from "../jobs/read-jobs.ts";
import type { Reads } from "../stores/reads.ts";
import { createGraphHandler, type CreateGraphDeps } from "./create-graph.ts";

export interface GraphRoutesDeps extends CreateGraphDeps {
  api: Api;
  reads: Reads;
  jobReader: JobReader;
  liveJobs: LiveJobs;
}

export function graphRoutes(deps: GraphRoutesDeps): HandledRoute[] {
  const { api, reads, jobReader, liveJobs } = deps;
  return [
    handle(api.createGraph, createGraphHandler(deps)),

    handle(listChildren, async (c) => {
      const { id } = c.req.valid("param");
      const { cursor, limit, status } = c.req.valid("query");
      await requireJob(jobReader, c.env, id);
      const { principal } = c.env;
      const after = cursor === undefined ? lowestId : decodeCursor(cursor);
      // One more than requested shows whether there is a next page.
      const found = await reads.run(principal.tenant, (sql) =>
        readChildIds(sql, id, { after, status, limit: limit + 1 }),
      );
      const ids = found.slice(0, limit);
      const { rows, read } = await jobReader.findPage(principal.tenant, ids, {
        isPayloadOmitted: false,
      });
      const last = read < found.length ? ids[read - 1] : undefined;
      const items = await liveJobs.toJobs(rows.filter((row) => isPermitted(principal, row)));
      return c.json({ items, next: last === undefined ? null : encodeCursor(last) }, 200);
    }),
  ];
}

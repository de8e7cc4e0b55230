import { requireKnown } from "../http/caller.ts";
import type { Api } from "@toril/contract/api/http/index";
import { ProblemError } from "../http/problem.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import { type ImportLedger, requireImport } from "../imports/import-ledger.ts";
import { type JobReader, requireJob } from "../jobs/read-jobs.ts";
import type { Events } from "./events.ts";

export interface EventRoutesDeps {
  api: Api;
  events: Pick<Events, "followJob" | "followImport" | "followJobs">;
  jobReader: JobReader;
  importLedger: ImportLedger;
}

export function eventRoutes(deps: EventRoutesDeps): HandledRoute[] {
  const { api, events, jobReader, importLedger } = deps;

  return [
    handle(api.followJob, async (c) => {
      const job = await requireJob(jobReader, c.env, c.req.valid("param").id);
      return events.followJob(c.env, job, c.req.valid("header")["last-event-id"]);
    }),

    handle(api.followImport, async (c) => {
      const snapshot = await requireImport(importLedger, c.env, c.req.valid("param").id);
      return events.followImport(c.env, snapshot, c.req.valid("header")["last-event-id"]);
    }),

    handle(api.followQueue, async (c) => {
      const { queue } = c.req.valid("param");
      await requireKnown(c.env, { queue });
      const { queues } = c.env.principal;
      if (queues?.has(queue) === false) {
        throw new ProblemError("forbidden-resource", `The key does not permit the queue ${queue}.`);
      }
      return events.followJobs(c.env, [queue], c.req.valid("header")["last-event-id"]);
    }),

    handle(api.followJobs, (c) =>
      events.followJobs(c.env, c.env.jobTypes.queues, c.req.valid("header")["last-event-id"]),
    ),
  ];
}

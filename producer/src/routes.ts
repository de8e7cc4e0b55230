import { keyRoutes } from "./api-keys/routes.ts";
import { auditRoutes } from "./audit/routes.ts";
import { principalRoutes } from "./auth/routes.ts";
import { createDeadLetters } from "./dead-letters/dead-letters.ts";
import { deadLetterRoutes } from "./dead-letters/routes.ts";
import { eventRoutes } from "./events/routes.ts";
import { feedRoutes } from "./feeds/routes.ts";
import { graphRoutes } from "./graphs/routes.ts";
import { healthRoutes } from "./health/routes.ts";
import { jobTypeRoutes } from "./job-types/routes.ts";
import { operationRoutes } from "./operations/routes.ts";
import { overviewRoutes } from "./overview/routes.ts";
import { pushRoutes } from "./push/routes.ts";
import { scheduleRoutes } from "./schedules/routes.ts";
import { webhookRoutes } from "./webhooks/routes.ts";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import type { Config } from "./config.ts";
import type { HandledRoute } from "./http/route.ts";

import type { Subjects } from "./subjects.ts";

export interface RoutesDeps extends Subjects {
  config: Pick<Config, "MAX_SCHEDULES" | "MAX_JOB_TYPES" | "MAX_WEBHOOKS">;
  jobRoutes: readonly HandledRoute[];
  findQuota: FindQuota;
  isDraining(): boolean;
}

/** Lists the operations of all subjects, each paired with its handler in `routes.ts` of the subject. */
export function createRoutes(deps: RoutesDeps): HandledRoute[] {
  const { config, api, code, jobTypes, ledgers, reads, dispatching, secretKeys } = deps;
  const { idempotency, operations, jobs, imports, queues, worker, events, overview, auth } = deps;
  const { enqueue } = dispatching;
  const { accepting, changing } = ledgers;
  return [
    ...deps.jobRoutes,
    ...graphRoutes({
      api,
      reads,
      enqueue,
      secretKeys,
      findCallbacks: deps.findCallbacks,
      admission: jobs.bulkAdmission,
      jobReader: jobs.jobReader,
      liveJobs: jobs.liveJobs,
    }),
    ...imports.routes,
    ...scheduleRoutes({
      api,
      jobTypes,
      ledger: changing,
      reads,
      maxSchedules: config.MAX_SCHEDULES,
      enqueue,
      secretKeys,
      findCallbacks: deps.findCallbacks,
    }),
    ...feedRoutes({ api, reads, enqueue, secretKeys }),
    ...jobTypeRoutes({
      api,
      code,
      ledger: changing,
      reads,
      secretKeys,
      maxJobTypes: config.MAX_JOB_TYPES,
    }),
    ...deadLetterRoutes({
      api,
      ...jobs,
      deadLetters: createDeadLetters(jobTypes, reads, jobs.jobSearch),
      operations,
    }),
    ...operationRoutes(api, operations),
    ...queues.routes,
    ...worker.routes,
    ...eventRoutes({
      api,
      events,
      jobReader: jobs.jobReader,
      importLedger: imports.importLedger,
    }),
    ...principalRoutes(),
    ...auditRoutes(reads),
    ...overviewRoutes(overview.read, overview.readHistory, events),
    ...keyRoutes(api, {
      ledger: changing,
      reads,
      idempotency,
      findQuota: deps.findQuota,
      refresh: auth.refreshKeys,
    }),
    ...pushRoutes({ api, ledger: changing, reads, idempotency, secretKeys }),
    ...webhookRoutes(api, {
      ledger: changing,
      reads,
      idempotency,
      secretKeys,
      maxWebhooks: config.MAX_WEBHOOKS,
    }),
    ...healthRoutes({
      ledger: accepting,
      writeRedis: () => Promise.all(code.queues.map(dispatching.writeProbe)),
      isDraining: deps.isDraining,
    }),
  ];
}

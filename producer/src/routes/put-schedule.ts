import type { RouteHandler } from "@hono/zod-openapi";
import type { putSchedule as route } from "@toril/contract/api/http/schedules";
import { limits } from "@toril/contract/api/job";
import { queueOf } from "@toril/contract/api/job-types/index";
import { checkDefinition } from "@toril/contract/engine/schedules/check-definition";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { AppEnv } from "../http/app-env.ts";
import { readJson } from "../http/body.ts";
import { callerOf, requirePermitted } from "../http/caller.ts";
import { requirePreconditions } from "../http/etag.ts";
import { ProblemError } from "../http/problem.ts";
import { requireVisibleSchedule, toAnswer } from "../schedules/visible-schedule.ts";
import type { ScheduleStore } from "../schedules/schedule-store.ts";

type Bodiless = Omit<typeof route, "request"> & {
  request: Pick<(typeof route)["request"], "params">;
};

/** The handler reads its body itself. */
export function putSchedule(
  schedules: ScheduleStore,
  secretKeys: KeyRing | undefined,
): RouteHandler<Bodiless, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const { tenant, quotaKey } = callerOf(c.env);
    const value = await readJson(c.env, limits.bodyBytes, c.env.charge);
    const checked = checkDefinition(value, tenant, secretKeys);
    if (checked.status === "refused") {
      throw new ProblemError(checked.kind, checked.detail, checked.errors);
    }
    const { definition } = checked;
    const { type } = definition.job;
    requirePermitted(c.env, { type, queue: queueOf(type) });
    const { status, row } = await schedules.put(tenant, name, { definition, quotaKey }, (found) => {
      if (found !== undefined) requireVisibleSchedule(c.env, found);
      requirePreconditions(c.env.request, found?.version);
    });
    const { schedule, headers } = toAnswer(row);
    return status === "created"
      ? c.json(schedule, 201, { ...headers, Location: `/v1/schedules/${name}` })
      : c.json(schedule, 200, headers);
  };
}

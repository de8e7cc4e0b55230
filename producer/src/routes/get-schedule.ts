import type { RouteHandler } from "@hono/zod-openapi";
import type { getSchedule as route } from "@toril/contract/api/http/schedules";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import { isNotModified } from "../http/etag.ts";
import { requireVisibleSchedule, toAnswer } from "../schedules/visible-schedule.ts";
import type { ScheduleStore } from "../schedules/schedule-store.ts";

export function getSchedule(schedules: ScheduleStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const found = requireVisibleSchedule(c.env, await schedules.find(callerOf(c.env).tenant, name));
    const { schedule, headers } = toAnswer(found);
    if (isNotModified(c.env.request, headers.ETag)) return c.body(null, 304, headers);
    return c.json(schedule, 200, headers);
  };
}

import type { RouteHandler } from "@hono/zod-openapi";
import type { previewSchedule as route } from "@toril/contract/api/http/schedules";
import { previewFireTimes } from "@toril/contract/engine/schedules/fire-times";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import { requireVisibleSchedule } from "../schedules/visible-schedule.ts";
import type { ScheduleStore } from "../schedules/schedule-store.ts";

export function previewSchedule(schedules: ScheduleStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const { count, after = Date.now() } = c.req.valid("query");
    const found = requireVisibleSchedule(c.env, await schedules.find(callerOf(c.env).tenant, name));
    return c.json(previewFireTimes(found.definition, new Date(after), count), 200);
  };
}

import type { RouteHandler } from "@hono/zod-openapi";
import type { getSchedule as route } from "@toril/contract/http/schedules";
import { toSchedule } from "@toril/contract/schedule/schedule-ledger";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import { reachedSchedule } from "../reached-schedule.ts";
import { scheduleHeaders } from "../schedule-headers.ts";
import type { ScheduleStore } from "../schedule-store.ts";

export function getSchedule(schedules: ScheduleStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const found = reachedSchedule(c.env, await schedules.find(callerOf(c.env).tenant, name));
    return c.json(toSchedule(found), 200, scheduleHeaders(found));
  };
}

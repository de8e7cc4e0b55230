import type { RouteHandler } from "@hono/zod-openapi";
import type { pauseSchedule as route } from "@toril/contract/http/schedules";
import { toSchedule } from "@toril/contract/schedule/schedule-ledger";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import { reachedSchedule } from "../reached-schedule.ts";
import { scheduleHeaders } from "../schedule-headers.ts";
import type { ScheduleStore } from "../schedule-store.ts";
import { changedSchedule } from "../shown-data.ts";

export function pauseSchedule(schedules: ScheduleStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const row = await schedules.setPaused(callerOf(c.env).tenant, name, true, (found) => {
      reachedSchedule(c.env, found);
    });
    const schedule = reachedSchedule(c.env, row);
    return c.json(changedSchedule(c.env, toSchedule(schedule)), 200, scheduleHeaders(schedule));
  };
}

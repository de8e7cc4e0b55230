import type { RouteHandler } from "@hono/zod-openapi";
import type { pauseSchedule as route } from "@toril/contract/api/http/schedules";
import type { AppEnv } from "../http/app-env.ts";
import { setSchedulePaused } from "../schedules/visible-schedule.ts";
import type { ScheduleStore } from "../schedules/schedule-store.ts";

export function pauseSchedule(schedules: ScheduleStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const { schedule, headers } = await setSchedulePaused(c.env, schedules, name, true);
    return c.json(schedule, 200, headers);
  };
}

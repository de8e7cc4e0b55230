import type { RouteHandler } from "@hono/zod-openapi";
import type { resumeSchedule as route } from "@toril/contract/http/schedules";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import { requirePreconditions } from "../etag.ts";
import { reachedSchedule, toAnswer } from "../reached-schedule.ts";
import type { ScheduleStore } from "../schedule-store.ts";
import { changedSchedule } from "../shown-data.ts";

export function resumeSchedule(schedules: ScheduleStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const row = await schedules.setPaused(callerOf(c.env).tenant, name, false, (found) => {
      requirePreconditions(c.env.request, reachedSchedule(c.env, found).version);
    });
    const { schedule, headers } = toAnswer(reachedSchedule(c.env, row));
    return c.json(changedSchedule(c.env, schedule), 200, headers);
  };
}

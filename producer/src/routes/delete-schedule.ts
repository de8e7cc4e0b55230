import type { RouteHandler } from "@hono/zod-openapi";
import type { deleteSchedule as route } from "@toril/contract/http/schedules";
import { toSchedule } from "@toril/contract/schedule/schedule-ledger";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import { requirePreconditions } from "../etag.ts";
import { reachedSchedule } from "../reached-schedule.ts";
import type { ScheduleStore } from "../schedule-store.ts";
import { changedSchedule } from "../shown-data.ts";

export function deleteSchedule(schedules: ScheduleStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const row = await schedules.delete(callerOf(c.env).tenant, name, (found) => {
      requirePreconditions(c.env.request, reachedSchedule(c.env, found).version);
    });
    return c.json(changedSchedule(c.env, toSchedule(reachedSchedule(c.env, row))), 200);
  };
}

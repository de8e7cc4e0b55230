import type { RouteHandler } from "@hono/zod-openapi";
import type { deleteSchedule as route } from "@toril/contract/api/http/schedules";
import { toSchedule } from "@toril/contract/engine/schedules/schedule-ledger";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import { requirePreconditions } from "../http/etag.ts";
import { requireVisibleSchedule } from "../schedules/visible-schedule.ts";
import type { ScheduleStore } from "../schedules/schedule-store.ts";
import { changedSchedule } from "../jobs/shown-data.ts";

export function deleteSchedule(schedules: ScheduleStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const row = await schedules.delete(callerOf(c.env).tenant, name, (found) => {
      requirePreconditions(c.env.request, requireVisibleSchedule(c.env, found).version);
    });
    return c.json(changedSchedule(c.env, toSchedule(requireVisibleSchedule(c.env, row))), 200);
  };
}

import type { RouteHandler } from "@hono/zod-openapi";
import type { listSchedules as route } from "@toril/contract/api/http/schedules";
import { ScheduleName } from "@toril/contract/api/schedule";
import { toSchedule } from "@toril/contract/engine/schedules/schedule-ledger";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { visibleTypes } from "../schedules/visible-schedule.ts";
import type { ScheduleStore } from "../schedules/schedule-store.ts";

export function listSchedules(schedules: ScheduleStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { cursor, limit } = c.req.valid("query");
    const after = cursor === undefined ? undefined : decodeCursor(cursor, ScheduleName);
    const { tenant } = callerOf(c.env);
    const types = visibleTypes(c.env);
    const { rows, isLast } = await schedules.list({ tenant, after, types, limit });
    const last = isLast ? undefined : rows.at(-1);
    const next = last ? encodeCursor(last.name) : null;
    return c.json({ items: rows.map(toSchedule), next }, 200);
  };
}

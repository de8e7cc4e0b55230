import type { RouteHandler } from "@hono/zod-openapi";
import type { putSchedule as route } from "@toril/contract/http/schedules";
import { limits } from "@toril/contract/job";
import { queueOf } from "@toril/contract/jobs";
import { checkDefinition } from "@toril/contract/schedule/check-definition";
import { toSchedule } from "@toril/contract/schedule/schedule-ledger";
import type { KeyRing } from "@toril/contract/secret/key-ring";
import type { AppEnv } from "../app-env.ts";
import { readJson } from "../body.ts";
import { callerOf, requireReach } from "../caller.ts";
import { ProblemError } from "../problem.ts";
import { reachedSchedule } from "../reached-schedule.ts";
import { scheduleHeaders } from "../schedule-headers.ts";
import type { ScheduleStore } from "../schedule-store.ts";

type Bodiless = Omit<typeof route, "request"> & {
  request: Pick<(typeof route)["request"], "params" | "headers">;
};

/** Reads its body itself. */
export function putSchedule(
  schedules: ScheduleStore,
  secretKeys: KeyRing | undefined,
): RouteHandler<Bodiless, AppEnv> {
  return async (c) => {
    const { name } = c.req.valid("param");
    const { "if-match": expected } = c.req.valid("header");
    const { tenant } = callerOf(c.env);
    const value = await readJson(c.env, limits.bodyBytes, c.env.charge);
    const checked = checkDefinition(value, tenant, secretKeys);
    if (checked.status === "refused") {
      throw new ProblemError(checked.kind, checked.detail, checked.errors);
    }
    const { definition } = checked;
    const { type } = definition.job;
    requireReach(c.env, { type, queue: queueOf(type) });
    const { status, row } = await schedules.put(tenant, name, definition, (found) => {
      if (found !== undefined) reachedSchedule(c.env, found);
      if (expected !== undefined && !isMet(expected, found?.version)) {
        throw new ProblemError("precondition-failed");
      }
    });
    const headers = scheduleHeaders(row);
    return status === "created"
      ? c.json(toSchedule(row), 201, { ...headers, Location: `/v1/schedules/${name}` })
      : c.json(toSchedule(row), 200, headers);
  };
}

/** RFC 9110: any of the tags, or `*` for one that stands. */
function isMet(expected: string, version: number | undefined) {
  if (version === undefined) return false;
  const tags = new Set(expected.split(",").map((tag) => tag.trim()));
  return tags.has("*") || tags.has(`"${version}"`);
}

import type { RouteHandler } from "@hono/zod-openapi";
import type { previewDefinition as route } from "@toril/contract/api/http/schedules";
import { limits } from "@toril/contract/api/job";
import { checkPreviewed } from "@toril/contract/engine/schedules/check-definition";
import { previewFireTimes } from "@toril/contract/engine/schedules/fire-times";
import type { AppEnv } from "../http/app-env.ts";
import { readJson } from "../http/body.ts";
import { ProblemError } from "../http/problem.ts";

type Bodiless = Omit<typeof route, "request"> & {
  request: Pick<(typeof route)["request"], "query">;
};

/** The handler reads its body itself. */
export function previewDefinition(): RouteHandler<Bodiless, AppEnv> {
  return async (c) => {
    const { count, after = Date.now() } = c.req.valid("query");
    const checked = checkPreviewed(await readJson(c.env, limits.bodyBytes));
    if (checked.status === "refused") {
      throw new ProblemError("invalid-schedule", undefined, checked.errors);
    }
    return c.json(previewFireTimes(checked.timing, new Date(after), count), 200);
  };
}

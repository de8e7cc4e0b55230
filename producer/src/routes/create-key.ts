import type { RouteHandler } from "@hono/zod-openapi";
import type { createKey as route } from "@toril/contract/api/http/keys";
import { limits } from "@toril/contract/api/job";
import { NewApiKey } from "@toril/contract/api/api-key";
import { fieldErrors } from "@toril/contract/api/problem";
import type { AppEnv } from "../http/app-env.ts";
import { readJson } from "../http/body.ts";
import type { KeyStore } from "../api-keys/key-store.ts";
import { ProblemError } from "../http/problem.ts";

export function createKey(keys: KeyStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const parsed = NewApiKey.safeParse(await readJson(c.env, limits.bodyBytes));
    if (!parsed.success) {
      throw new ProblemError("invalid-key", undefined, fieldErrors(parsed.error.issues));
    }
    const issued = await keys.issue(c.env, parsed.data);
    return c.json(issued, 201, {
      Location: `/v1/keys/${issued.id}`,
      "Cache-Control": "no-store",
    });
  };
}

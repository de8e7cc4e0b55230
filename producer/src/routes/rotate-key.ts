import type { RouteHandler } from "@hono/zod-openapi";
import type { rotateKey as route } from "@toril/contract/api/http/keys";
import { limits } from "@toril/contract/api/job";
import { KeyRotation } from "@toril/contract/api/api-key";
import { fieldErrors } from "@toril/contract/api/problem";
import type { AppEnv } from "../http/app-env.ts";
import type { Bodiless } from "../http/bodiless.ts";
import { hasBody, readJson } from "../http/body.ts";
import type { KeyStore } from "../api-keys/key-store.ts";
import { ProblemError } from "../http/problem.ts";

/** The handler reads its body itself, because the body is optional. */
export function rotateKey(keys: KeyStore): RouteHandler<Bodiless<typeof route>, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const parsed = KeyRotation.safeParse(
      hasBody(c.req.raw) ? await readJson(c.env, limits.bodyBytes) : {},
    );
    if (!parsed.success) {
      throw new ProblemError("invalid-key", undefined, fieldErrors(parsed.error.issues));
    }
    const rotated = await keys.rotate(c.env, id, parsed.data.graceMs);
    return c.json(rotated, 200, { "Cache-Control": "no-store" });
  };
}

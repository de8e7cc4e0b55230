import type { RouteHandler } from "@hono/zod-openapi";
import type { rotateKey as route } from "@toril/contract/http/keys";
import { limits } from "@toril/contract/job";
import { KeyRotation } from "@toril/contract/keys/api-key";
import { fieldErrors } from "@toril/contract/problem";
import type { AppEnv } from "../app-env.ts";
import type { Bodiless } from "../bodiless.ts";
import { hasBody, readJson } from "../body.ts";
import type { KeyStore } from "../key-store.ts";
import { ProblemError } from "../problem.ts";

/** Reads its body itself: there may be none. */
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

import type { Api } from "@toril/contract/api/http/index";
import { limits } from "@toril/contract/api/limits";
import { KeyId, KeyRotation } from "@toril/contract/api/access/api-key";
import { fieldErrors } from "@toril/contract/api/problem";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import { hasBody, readJson } from "../http/body.ts";
import { isNotModified, toEtag } from "../http/etag.ts";
import { parseKnown, requireUnrestricted } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { ProblemError } from "../http/problem.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import { createKeyStore, type KeyStoreDeps } from "./key-store.ts";

export interface KeyRoutesDeps extends KeyStoreDeps {
  findQuota: FindQuota;
}

export function keyRoutes(api: Api, { findQuota, ...deps }: KeyRoutesDeps): HandledRoute[] {
  const store = createKeyStore(deps);
  return [
    handle(api.createKey, async (c) => {
      const body = await readJson(c.env, limits.bodyBytes);
      const parsed = await parseKnown(c.env, ({ NewApiKey }) => NewApiKey, body);
      if (!parsed.success) {
        throw new ProblemError("invalid-key", undefined, fieldErrors(parsed.error.issues));
      }
      const issued = await store.issue(c.env, parsed.data);
      return c.json(issued, 201, {
        Location: `/v1/keys/${issued.id}`,
        "Cache-Control": "no-store",
      });
    }),

    handle(api.listKeys, async (c) => {
      requireUnrestricted(c.env, "The list of keys");
      const { cursor, limit } = c.req.valid("query");
      const before = cursor === undefined ? undefined : decodeCursor(cursor, KeyId);
      // One more than requested shows whether there is a next page.
      const keys = await store.list(c.env.principal.tenant, { before, limit: limit + 1 });
      const items = keys.slice(0, limit);
      const last = keys.length > limit ? items.at(-1) : undefined;
      return c.json({ items, next: last ? encodeCursor(last.id) : null }, 200);
    }),

    handle(api.getKey, async (c) => {
      requireUnrestricted(c.env, "The list of keys");
      const found = await store.find(c.env.principal.tenant, c.req.valid("param").id);
      if (found === undefined) throw new ProblemError("key-not-found");
      const headers = { ETag: toEtag(found.revision, found.key) };
      if (isNotModified(c.env.request, headers.ETag)) return c.body(null, 304, headers);
      return c.json(found.key, 200, headers);
    }),

    handle(api.getKeyUse, async (c) => {
      const found = await store.find(c.env.principal.tenant, c.req.valid("param").id);
      if (found === undefined) throw new ProblemError("key-not-found");
      const { id, quotas } = found.key;
      return c.json(await findQuota(id, quotas ?? {}).readUse(), 200);
    }),

    handle(api.changeKey, async (c) => {
      const change = await readJson(c.env, limits.bodyBytes);
      const parsed = await parseKnown(c.env, ({ ApiKeyChange }) => ApiKeyChange, change);
      if (!parsed.success) {
        throw new ProblemError("invalid-key", undefined, fieldErrors(parsed.error.issues));
      }
      const { key, revision } = await store.change(c.env, c.req.valid("param").id, parsed.data);
      return c.json(key, 200, { ETag: toEtag(revision, key) });
    }),

    handle(api.rotateKey, async (c) => {
      const { id } = c.req.valid("param");
      // The body is optional.
      const parsed = KeyRotation.safeParse(
        hasBody(c.req.raw) ? await readJson(c.env, limits.bodyBytes) : {},
      );
      if (!parsed.success) {
        throw new ProblemError("invalid-key", undefined, fieldErrors(parsed.error.issues));
      }
      const rotated = await store.rotate(c.env, id, parsed.data.graceMs);
      return c.json(rotated, 200, { "Cache-Control": "no-store" });
    }),

    handle(api.revokeKey, async (c) => {
      const { id } = c.req.valid("param");
      const revoked = await store.revoke(c.env, id);
      if (revoked === undefined) throw new ProblemError("key-not-found");
      return c.json(revoked, 200);
    }),
  ];
}

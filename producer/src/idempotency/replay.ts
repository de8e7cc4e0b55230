import type { MiddlewareHandler } from "hono";
import { limits } from "@toril/contract/api/job";
import type { Principal } from "../auth/principal.ts";
import { hasBody, readBytes } from "../http/body.ts";
import type { AnyRoute, AppEnv } from "../http/request-context.ts";
import type { KeptResponse } from "./keep-response.ts";
import type { Idempotency } from "./run-once.ts";

type Kept = Omit<KeptResponse, "status">;

/** These operations use `Idempotency` themselves. */
const keeping: ReadonlySet<string> = new Set([
  "createJob",
  "createJobs",
  "createImport",
  "createKey",
  "rotateKey",
]);

/** Whether the middleware stores the responses of this operation. */
export function isReplayable({ method, operationId }: AnyRoute): boolean {
  return method === "post" && !keeping.has(operationId);
}

/** Runs an operation once per Idempotency-Key; repeated requests get the stored response. */
export function createReplay(once: Idempotency): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const context = c.env;
    if (!context.request.headers.has("idempotency-key")) return next();
    if (hasBody(context.request)) context.body = await readBytes(context, limits.bodyBytes);
    context.replayScope = replayScopeOf(context.principal);
    let isHandled = false;
    try {
      const { status, body, isReplay } = await once.holding(context, async (holding) => {
        context.keepResponse = async (tx, { status: early, ...kept }) =>
          holding.keepProvisionally(tx, { status: early, body: kept });
        await next();
        isHandled = true;
        const { res: response } = c;
        if (!response.ok) throw new NotDone();
        const answer: unknown = await response.clone().json();
        const kept: Kept = { headers: pick(response.headers, keptHeaders), answer };
        return { status: response.status, body: kept };
      });
      if (!isReplay) return undefined;
      const headers = {
        ...body.headers,
        "Content-Type": "application/json",
        "Idempotency-Replayed": "true",
      };
      return new Response(JSON.stringify(body.answer), { status, headers });
    } catch (error) {
      if (error instanceof NotDone) return undefined;
      // Otherwise the framework would add the headers of the response to those of the problem.
      if (isHandled) c.res = undefined;
      throw error;
    }
  };
}

/** Thrown to release the key, because the request failed. */
class NotDone extends Error {}

const keptHeaders = ["Location", "ETag"];

function pick(headers: Headers, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers.get(name);
      return value === null ? [] : [[name, value]];
    }),
  );
}

/**
 * Returns the scope of replays. A response is replayed without checking access to the resource, so only to callers who
 * may see the same. Empty for callers who may read everything of their tenant.
 */
function replayScopeOf({ scopes, queues, types }: Principal): string {
  const mayRead = scopes.has("jobs:read");
  if (mayRead && queues === null && types === null) return "";
  const sorted = (names: ReadonlySet<string> | null) => names && [...names].toSorted();
  return JSON.stringify({ mayRead, queues: sorted(queues), types: sorted(types) });
}

import type { MiddlewareHandler } from "hono";
import { limits } from "@toril/contract/api/limits";
import type { Principal } from "../auth/principal.ts";
import { hasBody, readBytes } from "../http/body.ts";
import type { AnyRoute, AppEnv } from "../http/request-context.ts";
import type { Idempotency } from "./idempotency.ts";

/** A stored response in the column `body`. Stored rows say `answer`. */
interface StoredBody {
  headers?: Record<string, string> | undefined;
  answer: unknown;
}

/** These operations use `Idempotency` themselves. */
const operationsWithOwnReplay: ReadonlySet<string> = new Set([
  "createJob",
  "createJobs",
  "createGraph",
  "createImport",
  "createKey",
  "rotateKey",
  "rotateWebhook",
  "rotatePushEndpoint",
]);

/** Whether the middleware stores the responses of this operation. */
export function isReplayable({ method, operationId }: AnyRoute): boolean {
  return method === "post" && !operationsWithOwnReplay.has(operationId);
}

/** Runs an operation once per Idempotency-Key; repeated requests get the stored response. */
export function createReplayMiddleware(idempotency: Idempotency): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const context = c.env;
    if (!context.request.headers.has("idempotency-key")) return next();
    if (hasBody(context.request)) context.body = await readBytes(context, limits.bodyBytes);
    context.replayScope = toReplayScope(context.principal);
    let isHandled = false;
    try {
      const { status, body, isReplay } = await idempotency.acrossTransactions(
        context,
        async (key) => {
          context.storeEarlyResponse = (tx, early) =>
            key.storeEarlyResponse(tx, {
              status: early.status,
              body: { headers: early.headers, answer: early.body } satisfies StoredBody,
            });
          await next();
          isHandled = true;
          const { res: response } = c;
          if (!response.ok) throw new RequestFailed();
          const stored: StoredBody = {
            headers: pick(response.headers, storedHeaders),
            answer: await response.clone().json(),
          };
          return { status: response.status, body: stored };
        },
      );
      if (!isReplay) return undefined;
      const headers = {
        ...body.headers,
        "Content-Type": "application/json",
        "Idempotency-Replayed": "true",
      };
      return new Response(JSON.stringify(body.answer), { status, headers });
    } catch (error) {
      if (error instanceof RequestFailed) return undefined;
      // Otherwise the framework would add the headers of the response to those of the problem.
      if (isHandled) c.res = undefined;
      throw error;
    }
  };
}

/** Thrown to release the key, because the request failed. */
class RequestFailed extends Error {}

const storedHeaders = ["Location", "ETag"];

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
function toReplayScope({ scopes, queues, types }: Principal): string {
  const mayRead = scopes.has("jobs:read");
  if (mayRead && queues === null && types === null) return "";
  const sorted = (names: ReadonlySet<string> | null) => names && [...names].toSorted();
  return JSON.stringify({ mayRead, queues: sorted(queues), types: sorted(types) });
}

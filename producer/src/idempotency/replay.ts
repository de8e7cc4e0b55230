import { limits } from "@toril/contract/api/job";
import type { Principal } from "../auth/principal.ts";
import { hasBody, readBytes } from "../http/body.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { KeptResponse } from "./keep-response.ts";
import type { Idempotency } from "./run-once.ts";
import type { Operation } from "../operations/operations.ts";

type Kept = Omit<KeptResponse, "status">;

/** Runs `handle` once per Idempotency-Key; repeated requests get the stored response. */
export type Repeat = (
  exchange: RequestContext,
  handle: () => Promise<Response>,
) => Promise<Response>;

/** These operations use `Idempotency` themselves. */
const keeping: ReadonlySet<string> = new Set([
  "createJob",
  "createJobs",
  "createImport",
  "createKey",
  "rotateKey",
]);

/** Whether `Repeat` stores the response of this request. */
export function isRepeated(operation: Operation, { method, headers }: Request): boolean {
  return method === "POST" && !keeping.has(operation.operationId) && headers.has("idempotency-key");
}

export function createRepeat(once: Idempotency): Repeat {
  return async (exchange, handle) => {
    if (hasBody(exchange.request)) {
      exchange.body = await readBytes(exchange, limits.bodyBytes);
    }
    exchange.replayScope = replayScopeOf(exchange.principal);
    let own: Response | undefined;
    try {
      const { status, body, isReplay } = await once.holding(exchange, async (holding) => {
        exchange.keepResponse = async (tx, { status: early, ...kept }) =>
          holding.keepProvisionally(tx, { status: early, body: kept });
        own = await handle();
        if (!own.ok) throw new NotDone();
        const answer: unknown = await own.clone().json();
        const kept: Kept = { headers: pick(own.headers, keptHeaders), answer };
        return { status: own.status, body: kept };
      });
      if (!isReplay && own !== undefined) return own;
      const headers = {
        ...body.headers,
        "Content-Type": "application/json",
        "Idempotency-Replayed": "true",
      };
      return new Response(JSON.stringify(body.answer), { status, headers });
    } catch (error) {
      if (error instanceof NotDone && own !== undefined) return own;
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

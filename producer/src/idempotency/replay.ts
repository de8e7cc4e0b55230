import { limits } from "@toril/contract/api/job";
import type { Principal } from "../auth/principal.ts";
import { hasBody, readBytes } from "../http/body.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { KeptResponse } from "./keep-response.ts";
import type { Idempotency } from "./run-once.ts";
import type { Operation } from "../operations/operations.ts";

type Kept = Omit<KeptResponse, "status">;

/** Answers as `handle` does, once for each Idempotency-Key. */
export type Repeat = (
  exchange: RequestContext,
  handle: () => Promise<Response>,
) => Promise<Response>;

/** They call `Once` themselves. */
const keeping: ReadonlySet<string> = new Set([
  "createJob",
  "createJobs",
  "createImport",
  "createKey",
  "rotateKey",
]);

/** Whether the request is one whose answer is kept by `Repeat`. */
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

/** Leaves the key free. */
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
 * A response is replayed before its operation has looked at what the request is about: only to callers who would have
 * been shown the same. Empty for callers who may see everything of their tenant.
 */
function replayScopeOf({ scopes, queues, types }: Principal): string {
  const mayRead = scopes.has("jobs:read");
  if (mayRead && queues === null && types === null) return "";
  const sorted = (names: ReadonlySet<string> | null) => names && [...names].toSorted();
  return JSON.stringify({ mayRead, queues: sorted(queues), types: sorted(types) });
}

import { limits } from "@toril/contract/job";
import { hasBody, readBytes } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import type { Once } from "./once.ts";
import type { Operation } from "./operations.ts";

/** What an operation answers, as it is kept for who repeats it. */
interface Kept {
  location: string | null;
  /** JSON. */
  answer: unknown;
}

/** Answers as `handle` does, once for each Idempotency-Key. */
export type Repeat = (exchange: Exchange, handle: () => Promise<Response>) => Promise<Response>;

/** They keep their answers together with what they do. */
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

export function createRepeat(once: Once): Repeat {
  return async (exchange, handle) => {
    if (hasBody(exchange.request)) {
      exchange.body = await readBytes(exchange, limits.bodyBytes);
    }
    let own: Response | undefined;
    try {
      const { status, body, isReplay } = await once.holding(exchange, async () => {
        own = await handle();
        if (!own.ok) throw new NotDone();
        const answer: unknown = await own.clone().json();
        const kept: Kept = { location: own.headers.get("location"), answer };
        return { status: own.status, body: kept };
      });
      if (!isReplay && own !== undefined) return own;
      const headers = new Headers({
        "Content-Type": "application/json",
        "Idempotency-Replayed": "true",
      });
      if (body.location !== null) headers.set("Location", body.location);
      return new Response(JSON.stringify(body.answer), { status, headers });
    } catch (error) {
      if (error instanceof NotDone && own !== undefined) return own;
      throw error;
    }
  };
}

/** Leaves the key free. */
class NotDone extends Error {}

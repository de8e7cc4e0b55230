import { createHash } from "node:crypto";
import type { Context } from "hono";
import type { IdempotencyClaim, StoredAnswer } from "@toril/contract/ledger/idempotency";
import type { AppEnv } from "./app-env.ts";
import { callerOf } from "./caller.ts";
import { ProblemError } from "./problem.ts";

/** The claim of a request that carries an Idempotency-Key: it stands for this method, address and body. */
export function idempotencyClaim(c: Context<AppEnv>): IdempotencyClaim | undefined {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return undefined;
  const url = new URL(c.req.url);
  const requestHash = createHash("sha256")
    .update(`${c.req.method} ${url.pathname}${url.search}\n`)
    .update(c.env.body ?? "")
    .digest("hex");
  return { tenant: callerOf(c).tenant, key, requestHash };
}

type NotAccepted =
  | { status: "replayed"; answer: StoredAnswer }
  | { status: "reused" }
  | { status: "in-use" };

/** The first answer of a request that was answered before; throws for what cannot be accepted. */
export function replayOf(outcome: NotAccepted, claim: IdempotencyClaim | undefined): StoredAnswer {
  if (outcome.status === "replayed") return outcome.answer;
  if (outcome.status === "reused") throw new ProblemError("idempotency-key-reused");
  if (claim === undefined) {
    throw new ProblemError("at-capacity", "A job with this key is being recorded. Try again.");
  }
  throw new ProblemError("idempotency-key-in-use");
}

import { createHash } from "node:crypto";
import type { IdempotencyClaim, StoredAnswer } from "@toril/contract/ledger/idempotency";
import type { KeyRing } from "@toril/contract/secret/key-ring";
import { callerOf } from "./caller.ts";
import type { Exchange } from "./exchange.ts";
import { ProblemError } from "./problem.ts";
import { targetOf } from "./target.ts";

/**
 * The claim of a request that carries an Idempotency-Key: it stands for this method, address and body. With keys, its
 * hash is keyed: a body may hold a secret that can be guessed.
 */
export function idempotencyClaim(
  exchange: Exchange,
  secretKeys: KeyRing | undefined,
): IdempotencyClaim | undefined {
  const { request, body = "" } = exchange;
  const key = request.headers.get("idempotency-key");
  if (key === null) return undefined;
  const plainHash = createHash("sha256")
    .update(`${request.method} ${targetOf(request.url)}\n`)
    .update(body)
    .digest("hex");
  const { tenant } = callerOf(exchange);
  const [requestHash, ...older] = secretKeys?.digests(plainHash) ?? [];
  // The first request may have come before there were keys, or before they were rotated.
  return requestHash === undefined
    ? { tenant, key, requestHash: plainHash }
    : { tenant, key, requestHash, olderHashes: [...older, plainHash] };
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

import { createHash, type Hash } from "node:crypto";
import { IdempotencyKey } from "@toril/contract/api/http/route";
import type { IdempotencyClaim, StoredAnswer } from "@toril/contract/engine/postgres/idempotency";
import type { Refused } from "@toril/contract/engine/jobs/enqueue/insert-entries";
import { fieldErrors } from "@toril/contract/api/problem";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { callerOf } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import { targetOf } from "../http/target.ts";
import { nextTurn } from "../http/turn.ts";

/**
 * The claim of a request that carries an Idempotency-Key: it stands for this method, address, body and replay scope. With
 * keys, its hash is keyed: a body may hold a secret that can be guessed.
 */
export function idempotencyClaim(
  exchange: RequestContext,
  secretKeys: KeyRing | undefined,
): IdempotencyClaim | undefined {
  const key = keyOf(exchange);
  if (key === undefined) return undefined;
  const hash = beginHash(exchange).update(exchange.body ?? "");
  return toClaim(exchange, key, hash, secretKeys);
}

/** As `idempotencyClaim`, for a body of any size: it is hashed a slice a turn of the event loop. */
export async function largeIdempotencyClaim(
  exchange: RequestContext,
  secretKeys: KeyRing | undefined,
): Promise<IdempotencyClaim | undefined> {
  const key = keyOf(exchange);
  if (key === undefined) return undefined;
  const hash = beginHash(exchange);
  const { body = new Uint8Array() } = exchange;
  for (let at = 0; at < body.length; at += hashedBytes) {
    if (at > 0) await nextTurn();
    hash.update(body.subarray(at, at + hashedBytes));
  }
  return toClaim(exchange, key, hash, secretKeys);
}

const hashedBytes = 1_000_000;

function keyOf({ request }: RequestContext): string | undefined {
  const key = request.headers.get("idempotency-key");
  if (key === null) return undefined;
  const parsed = IdempotencyKey.safeParse(key);
  if (parsed.success) return key;
  const errors = fieldErrors(parsed.error.issues, "/idempotency-key");
  throw new ProblemError("invalid-parameter", undefined, errors);
}

function beginHash({ request }: RequestContext): Hash {
  return createHash("sha256").update(`${request.method} ${targetOf(request.url)}\n`);
}

function toClaim(
  exchange: RequestContext,
  key: string,
  hash: Hash,
  secretKeys: KeyRing | undefined,
): IdempotencyClaim {
  const { tenant } = callerOf(exchange);
  const plainHash = hash.update(exchange.replayScope).digest("hex");
  const [requestHash, ...olderHashes] = keyedHashes(plainHash, secretKeys);
  return { tenant, key, requestHash, olderHashes };
}

/** A hash as it is kept, and as it may have been kept before there were keys, or before they were rotated. */
export function keyedHashes(
  plainHash: string,
  secretKeys: KeyRing | undefined,
): [string, ...string[]] {
  const [newest, ...older] = secretKeys?.digests(plainHash) ?? [];
  return newest === undefined ? [plainHash] : [newest, ...older, plainHash];
}

/** The first answer of a request that was answered before; throws for what cannot be accepted. */
export function replayOf(outcome: Refused): StoredAnswer {
  if (outcome.status === "replayed") return outcome.answer;
  if (outcome.status === "reused") throw new ProblemError("idempotency-key-reused");
  if (outcome.status === "in-use") throw new ProblemError("idempotency-key-in-use");
  throw new ProblemError("at-capacity", "A job with this key is being recorded. Try again.");
}

import { createHash, type Hash } from "node:crypto";
import { IdempotencyKey } from "@toril/contract/api/http/define/parameters";
import type { IdempotencyClaim, StoredResponse } from "@toril/contract/engine/postgres/idempotency";
import type { Refused } from "@toril/contract/engine/jobs/insert/insert-entries";
import { fieldErrors } from "@toril/contract/api/problem";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import { getTarget } from "../http/request-context.ts";
import { nextTurn } from "../http/turn.ts";

/**
 * Returns the claim of a request with an Idempotency-Key, with a fingerprint of method, target, body and replay scope.
 * With secret keys the fingerprint is an HMAC, because the body may contain a guessable secret.
 */
export function createClaim(
  context: RequestContext,
  secretKeys: KeyRing | undefined,
): IdempotencyClaim | undefined {
  const key = getKey(context);
  if (key === undefined) return undefined;
  const hash = beginHash(context).update(context.body ?? "");
  return toClaim(context, key, hash, secretKeys);
}

/** Like `createClaim`, for a body of any size: hashing yields to the event loop between slices. */
export async function createLargeClaim(
  context: RequestContext,
  secretKeys: KeyRing | undefined,
): Promise<IdempotencyClaim | undefined> {
  const key = getKey(context);
  if (key === undefined) return undefined;
  const hash = beginHash(context);
  const { body = new Uint8Array() } = context;
  for (let at = 0; at < body.length; at += hashedBytes) {
    if (at > 0) await nextTurn();
    hash.update(body.subarray(at, at + hashedBytes));
  }
  return toClaim(context, key, hash, secretKeys);
}

const hashedBytes = 1_000_000;

function getKey({ request }: RequestContext): string | undefined {
  const key = request.headers.get("idempotency-key");
  if (key === null) return undefined;
  const parsed = IdempotencyKey.safeParse(key);
  if (parsed.success) return key;
  const errors = fieldErrors(parsed.error.issues, "/idempotency-key");
  throw new ProblemError("invalid-parameter", undefined, errors);
}

function beginHash({ request }: RequestContext): Hash {
  return createHash("sha256").update(`${request.method} ${getTarget(request.url)}\n`);
}

function toClaim(
  context: RequestContext,
  key: string,
  hash: Hash,
  secretKeys: KeyRing | undefined,
): IdempotencyClaim {
  const { tenant } = context.principal;
  const plainHash = hash.update(context.replayScope).digest("hex");
  const [requestHash, ...olderHashes] = toKeyedHashes(plainHash, secretKeys);
  return { tenant, key, requestHash, olderHashes };
}

/** Returns the hash to store, followed by the forms in which it may have been stored with older secret keys or none. */
export function toKeyedHashes(
  plainHash: string,
  secretKeys: KeyRing | undefined,
): [string, ...string[]] {
  const [newest, ...older] = secretKeys?.digests(plainHash) ?? [];
  return newest === undefined ? [plainHash] : [newest, ...older, plainHash];
}

/** Returns the stored response of a repeated request. Throws a problem for the other outcomes. */
export function toReplay(outcome: Refused): StoredResponse {
  if (outcome.status === "replayed") return outcome.response;
  if (outcome.status === "reused") throw new ProblemError("idempotency-key-reused");
  if (outcome.status === "in-use") throw new ProblemError("idempotency-key-in-use");
  throw new ProblemError("at-capacity", "A job with this key is being recorded. Try again.");
}

import { limits } from "@toril/contract/api/limits";
import { isAtOrBelow } from "@toril/contract/api/webhooks/webhook";
import { toStorableText } from "@toril/contract/api/json/json";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { openSigningSecret } from "@toril/contract/engine/webhooks/sealed-secret";
import { createSignatureHeaders } from "@toril/contract/engine/webhooks/signature";
import { parseRetryAfter } from "../safe-fetch/response-times.ts";
import type { PostOutcome, SafePost } from "../safe-fetch/safe-post.ts";
import type { AttemptReport, ClaimedDelivery } from "./claim-deliveries.ts";
import { getRetryDelay, type RetryRules } from "./retry-delay.ts";

export interface SendDeps {
  post: SafePost;
  secretKeys: KeyRing | undefined;
  timeoutMs: number;
  retry: RetryRules;
  signal: AbortSignal;
}

export interface SentDelivery extends AttemptReport {
  delivery: ClaimedDelivery;
  /** The endpoint answered 410: it wants no more events. For a callback URL: not this one. */
  isGone: boolean;
}

const gone = 410;

/** Sends one event and decides when it is due again. A redirect is a failure. */
export async function sendDelivery(
  delivery: ClaimedDelivery,
  { post, secretKeys, timeoutMs, retry, signal }: SendDeps,
): Promise<SentDelivery> {
  const { id, url, callbackUrl, body, webhookId, attempts, ageMs } = delivery;
  const startedAt = performance.now();
  const secrets = [delivery.secret, delivery.previousSecret]
    .filter((secret) => secret !== null)
    .map((secret) => openSigningSecret(secret, webhookId, secretKeys));
  const isOutside = callbackUrl !== null && !isAtOrBelow(callbackUrl, url);
  const outcome: PostOutcome = isOutside
    ? { status: "failed", detail: "The webhook does not permit this callback URL any more." }
    : secrets.every((secret) => secret !== undefined)
      ? await post(callbackUrl ?? url, {
          headers: createSignatureHeaders(secrets, { id, at: new Date(), body }),
          body,
          timeoutMs,
          signal,
          maxResponseBytes: limits.webhookResponseBytes,
        })
      : {
          status: "failed",
          detail: "The secret cannot be decrypted: this consumer lacks its key.",
        };
  const latencyMs = performance.now() - startedAt;
  const isResponse = outcome.status === "response";
  const isDelivered = isResponse && outcome.code >= 200 && outcome.code < 300;
  const isGone = isResponse && outcome.code === gone;
  const pauseMs = isResponse ? getPause(outcome) : null;
  const failed = { attempt: attempts, ageMs, retryAfterMs: pauseMs ?? undefined };
  return {
    delivery,
    isDelivered,
    isGone,
    retryMs: isDelivered || isGone ? null : getRetryDelay(failed, retry),
    latencyMs,
    responseStatus: isResponse ? outcome.code : null,
    responseBody: isResponse ? toStorableText(new TextDecoder().decode(outcome.body)) : null,
    error: isDelivered ? null : getError(outcome),
    pauseMs,
  };
}

function getPause({ code, headers }: PostOutcome & { status: "response" }): number | null {
  const now = Date.now();
  const at = parseRetryAfter({ statusCode: code, headers }, now);
  return at && at.getTime() - now;
}

function getError(outcome: PostOutcome): string {
  if (outcome.status === "failed") return toStorableText(outcome.detail);
  const isRedirect = outcome.code >= 300 && outcome.code < 400;
  return `The endpoint answered ${outcome.code}.${isRedirect ? " Redirects are not followed." : ""}`;
}

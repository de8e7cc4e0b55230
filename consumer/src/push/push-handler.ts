import { limits, workerLimits } from "@toril/contract/api/limits";
import type { PushSettings } from "@toril/contract/api/push-endpoint";
import type { EndpointRow } from "@toril/contract/engine/push/endpoint-ledger";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { parseResultJson } from "@toril/contract/engine/jobs/attempt/parse-result";
import { openSigningSecret } from "@toril/contract/engine/webhooks/sealed-secret";
import { createSignatureHeaders } from "@toril/contract/engine/webhooks/signature";
import { parseRetryAfter } from "../safe-fetch/response-times.ts";
import type { PostOutcome, SafePost } from "../safe-fetch/safe-post.ts";
import { FinishLaterError, type LeasedContext } from "../worker/finish-later.ts";
import { type Handler, NonRetryableError, RetryAfterError } from "../worker/handler.ts";

export interface PushHandlerDeps {
  type: string;
  settings: PushSettings;
  post: SafePost;
  secretKeys: KeyRing | undefined;
  /** Returns the current state of the endpoint; undefined before it was read. */
  getEndpoint(): EndpointRow | undefined;
  /** Whether only one request at a time is sent, to test an endpoint that failed repeatedly. */
  isHalfOpen(): boolean;
  /** The callbacks get the endpoint as it was when the job was sent. */
  onSuccess(sent: EndpointRow): Promise<void>;
  onFailure(sent: EndpointRow, error: string): Promise<void>;
  onPause(sent: EndpointRow, pauseMs: number): Promise<void>;
  onGone(sent: EndpointRow): Promise<void>;
}

/** When a job is tried again that could not be sent, because the endpoint is paused, disabled or being tested. */
const postponedMs = 2000;
const gone = 410;
const accepted = 202;

/** Creates a handler that sends each job to the endpoint of its type; the response decides the outcome. */
export function createPushHandler(deps: PushHandlerDeps): Handler {
  const { type, settings, post, secretKeys } = deps;
  let isTesting = false;

  function getSecrets(endpoint: EndpointRow): string[] {
    const isPreviousValid = (endpoint.previousUntil?.getTime() ?? 0) > Date.now();
    return [endpoint.secret, isPreviousValid ? endpoint.previousSecret : null]
      .filter((secret) => secret !== null)
      .map((stored) => {
        const secret = openSigningSecret(stored, endpoint.id, secretKeys);
        if (secret !== undefined) return secret;
        throw new Error("The signing secret cannot be decrypted: this consumer lacks its key.");
      });
  }

  async function toResult(
    outcome: PostOutcome,
    sent: EndpointRow,
    signal: AbortSignal,
  ): Promise<unknown> {
    if (outcome.status === "failed") {
      // Shutdown or cancellation, not a failure of the endpoint.
      if (!signal.aborted) await deps.onFailure(sent, outcome.detail);
      throw new Error(outcome.detail);
    }
    const { code, headers } = outcome;
    const detail = `The endpoint answered ${code}${code >= 300 && code < 400 ? "; redirects are not followed" : ""}.`;
    if (code >= 200 && code < 300) {
      await deps.onSuccess(sent);
      if (code === accepted && headers["toril-finish"] === "later") {
        throw new FinishLaterError(toLeaseMs(headers["toril-lease-ms"]));
      }
      return parseResult(outcome);
    }
    const now = Date.now();
    const pausedUntil = parseRetryAfter({ statusCode: code, headers }, now);
    if (pausedUntil !== null) {
      await deps.onPause(sent, pausedUntil.getTime() - now);
      throw new RetryAfterError(pausedUntil, detail);
    }
    if (code === gone) {
      await deps.onGone(sent);
      throw new RetryAfterError(new Date(now + postponedMs), detail);
    }
    if (headers["toril-retry"] === "no") throw new NonRetryableError(withBody(detail, outcome));
    await deps.onFailure(sent, detail);
    throw new Error(withBody(detail, outcome));
  }

  return async (data, context) => {
    const { id, attempt, signal } = context;
    const endpoint = deps.getEndpoint();
    const isHalfOpen = deps.isHalfOpen();
    if (endpoint?.isEnabled !== true || (isHalfOpen && isTesting)) {
      throw new RetryAfterError(
        new Date(Date.now() + postponedMs),
        "The endpoint is not available.",
      );
    }
    const body = JSON.stringify({ id, type, attempt, data });
    const headers = createSignatureHeaders(getSecrets(endpoint), { id, at: new Date(), body });
    if (isHalfOpen) isTesting = true;
    try {
      const outcome = await post(settings.url, {
        headers: {
          ...headers,
          "toril-attempt": String(attempt),
          // Safe cast: the processor of jobs creates the context.
          "toril-lease": (context as LeasedContext).lease,
        },
        body,
        timeoutMs: settings.timeoutMs,
        signal,
        maxResponseBytes: limits.dataBytes,
      });
      return await toResult(outcome, endpoint, signal);
    } finally {
      if (isHalfOpen) isTesting = false;
    }
  };
}

/** Returns the lease that the response asks for, within the limits of workers. */
function toLeaseMs(header: string | string[] | undefined): number {
  const { min, max, default: usual } = workerLimits.leaseMs;
  const ms = typeof header === "string" && /^\d+$/.test(header) ? Number(header) : usual;
  return Math.min(max, Math.max(min, ms));
}

const maxQuoted = 500;

function withBody(detail: string, { body }: PostOutcome & { status: "response" }) {
  const text = new TextDecoder().decode(body.subarray(0, maxQuoted)).trim();
  return text === "" ? detail : `${detail} ${text}`;
}

/** Returns the JSON of a response; null if it has no body or the body is not JSON by its content type. */
function parseResult({ headers, body, isCut }: PostOutcome & { status: "response" }): unknown {
  const isJson = /^application\/(?:[\w.+-]+\+)?json\b/i.test(headers["content-type"] ?? "");
  if (!isJson || body.byteLength === 0) return null;
  if (isCut) throw new NonRetryableError(`The result is larger than ${limits.dataBytes} bytes.`);
  const parsed = parseResultJson(body);
  if (parsed.status === "ok") return parsed.value;
  throw new NonRetryableError(parsed.detail);
}

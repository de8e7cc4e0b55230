import { setTimeout as sleep } from "node:timers/promises";

export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

export interface SendOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** As JSON. */
  json?: unknown;
  idempotencyKey?: string;
  timeoutMs?: number;
}

/** @returns undefined when there was no answer */
export type Send = (path: string, options?: SendOptions) => Promise<Answer | undefined>;

const timeoutMs = 15_000;

export function createSend(baseUrl: string, apiKey?: string): Send {
  return async (path, options = {}) => {
    const { json, idempotencyKey } = options;
    const body = options.body ?? (json === undefined ? undefined : JSON.stringify(json));
    const headers: Record<string, string> = {
      ...(json !== undefined && { "Content-Type": "application/json" }),
      ...(apiKey !== undefined && { Authorization: `Bearer ${apiKey}` }),
      ...(idempotencyKey !== undefined && { "Idempotency-Key": idempotencyKey }),
      ...options.headers,
    };
    try {
      const response = await fetch(`${baseUrl}${path}`, {
        method: options.method ?? (body === undefined ? "GET" : "POST"),
        headers,
        ...(body !== undefined && { body }),
        signal: AbortSignal.timeout(options.timeoutMs ?? timeoutMs),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: parse(text) };
    } catch {
      return undefined;
    }
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Whether the outcome is known, so that a client need not repeat the request. */
function isDefinite({ status, body }: Answer): boolean {
  const { type = "" } = (body ?? {}) as { type?: unknown };
  if (status === 409) return !String(type).endsWith(":idempotency-key-in-use");
  return status < 500 && status !== 429;
}

/** Repeats a request that may be repeated until its outcome is known, as a careful client does. */
export async function sendUntilDefinite(
  send: Send,
  path: string,
  options: SendOptions,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  while (!signal.aborted) {
    const answer = await send(path, options);
    if (answer !== undefined && isDefinite(answer)) return answer;
    const seconds = Number(answer?.headers.get("retry-after") ?? 0);
    await sleep(Math.min(Math.max(seconds * 1000, 100), 2000), undefined, { signal }).catch(
      () => {},
    );
  }
  return undefined;
}

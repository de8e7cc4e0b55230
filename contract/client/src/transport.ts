import { ConnectionError, toTorilError, TorilError } from "./errors.ts";
import { follow, type FollowOptions } from "./follow.ts";
import type { SentEvent } from "./read-events.ts";
import {
  createIdempotencyKey,
  getRetryDelay,
  pause,
  type RetryOptions,
  toRetryPolicy,
} from "./retry.ts";

export interface ConnectionOptions {
  /** Address of the service. Its path is kept: `https://example.org/jobs` sends to `https://example.org/jobs/v1/...`. */
  baseUrl: string;
  /** API key sent with every request; not needed until the service has keys. */
  apiKey?: string | undefined;
  /**
   * Repeats a request that was refused (429, 503), or whose connection was cut; `true` by default. A POST request gets
   * an Idempotency-Key of its own, so a repeated request changes nothing twice. Bodies that are streams are not repeated.
   */
  retry?: boolean | RetryOptions;
  /**
   * Maximum time until a response has arrived, per attempt and without `wait`; 30,000 by default. Not for imports and
   * event streams.
   */
  timeoutMs?: number;
  fetch?: (request: Request) => Promise<Response>;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface WriteOptions extends CallOptions {
  /** A repeated request with the same key and body gets the original response. The client creates one by default. */
  idempotencyKey?: string | undefined;
}

export interface PutOptions extends CallOptions {
  /** Changes the resource only if it still has this version. */
  ifVersion?: number;
}

export interface PageQuery {
  cursor?: string | undefined;
  /** 1 to 500; 50 by default. */
  limit?: number | undefined;
}

export type Body = string | Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

/** A request as the functions of the client describe it. */
export interface Call extends WriteOptions {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  headers?: Record<string, string>;
  body?: Body;
  query?: Record<string, string | number | undefined>;
  /** Seconds that the service may wait before it answers. */
  wait?: number | undefined;
  /** The same in ms, as the body says. */
  waitMs?: number | undefined;
  /** Infinity for none. */
  timeoutMs?: number;
}

/** Sends requests and reads responses. Bodies are typed by the contract and not validated. */
export type Transport = ReturnType<typeof createTransport>;

export function createTransport(options: ConnectionOptions) {
  const { apiKey, retry = true, timeoutMs: defaultTimeout = 30_000 } = options;
  const send = options.fetch ?? ((request) => fetch(request));
  const base = options.baseUrl.replace(/[?#].*$/s, "").replace(/\/+$/, "");
  const policy = toRetryPolicy(retry);

  function toRequest(path: string, call: Call, signal: AbortSignal): Request {
    const { method = "GET", body, query = {}, wait } = call;
    const url = new URL(base + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = new Headers(call.headers);
    if (apiKey !== undefined) headers.set("Authorization", `Bearer ${apiKey}`);
    if (call.idempotencyKey !== undefined) headers.set("Idempotency-Key", call.idempotencyKey);
    if (wait !== undefined) headers.set("Prefer", `wait=${wait}`);
    const init = { method, headers, signal, ...(body === undefined ? {} : { body }) };
    // Required for streams, and not part of all type libraries.
    const duplex = body instanceof ReadableStream ? { duplex: "half" as const } : {};
    return new Request(url.href, { ...init, ...duplex });
  }

  /** Sends one request and reads its response within the time limit. */
  async function attempt<T>(path: string, call: Call, read: (response: Response) => Promise<T>) {
    const { signal, wait = 0, waitMs = wait * 1000 } = call;
    const { timeoutMs = defaultTimeout + waitMs } = call;
    signal?.throwIfAborted();
    const cut = new AbortController();
    const abort = () => cut.abort(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const timer =
      timeoutMs === Infinity
        ? undefined
        : setTimeout(() => cut.abort(new Error(`no response within ${timeoutMs} ms`)), timeoutMs);
    const request = toRequest(path, call, cut.signal);
    try {
      const response = await send(request);
      if (!response.ok) throw await toTorilError(response);
      return await read(response);
    } catch (error) {
      if (error instanceof TorilError || error instanceof ConnectionError) throw error;
      signal?.throwIfAborted();
      throw toConnectionError(request, cut.signal.aborted ? cut.signal.reason : error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Sends a request, and again after transient errors. */
  async function sendWithRetries<T>(
    path: string,
    requested: Call,
    read: (response: Response) => Promise<T>,
  ) {
    const needsKey =
      requested.method === "POST" && policy.attempts > 1 && !isStream(requested.body);
    const { idempotencyKey = needsKey ? createIdempotencyKey() : undefined } = requested;
    const call = { ...requested, idempotencyKey };
    for (let attempts = 1; ; attempts++) {
      try {
        return await attempt(path, call, read);
      } catch (error) {
        if (isStream(call.body)) throw error;
        const delayMs = getRetryDelay(error, attempts, policy, isRepeatable(call));
        if (delayMs === undefined) throw error;
        await pause(delayMs, call.signal);
      }
    }
  }

  return {
    /** Returns the body of the response. Throws `TorilError` for a status that is not 2xx. */
    call<Result>(path: string, call: Call = {}): Promise<Result> {
      return sendWithRetries(path, call, async (response) => (await response.json()) as Result);
    },

    /** Returns the body of the response as a stream. Throws `TorilError` for a status that is not 2xx. */
    open(path: string, call: Call = {}): Promise<ReadableStream<Uint8Array>> {
      return sendWithRetries(path, call, async ({ body }) => body ?? new Blob().stream());
    },

    /** Yields the events of a stream and reconnects after errors that are transient. */
    followAt<Event>(
      path: string,
      toEvent: (sent: SentEvent) => Event,
      followOptions: FollowOptions = {},
    ) {
      const { signal } = followOptions;
      const connect = async (lastEventId: string | undefined) => {
        const headers = new Headers({ Accept: "text/event-stream" });
        if (lastEventId !== undefined) headers.set("Last-Event-ID", lastEventId);
        if (apiKey !== undefined) headers.set("Authorization", `Bearer ${apiKey}`);
        // Aborted with the caller's signal only: the stream outlives the response.
        const request = new Request(base + path, { headers, ...(signal && { signal }) });
        const response = await send(request);
        if (!response.ok) throw await toTorilError(response);
        return response.status === 204 ? undefined : (response.body ?? undefined);
      };
      const isTransient = (error: unknown) =>
        !(error instanceof TorilError) || error.problem.status >= 500;
      return follow(connect, toEvent, { ...followOptions, isTransient });
    },
  };
}

/** Whether the service may receive a request twice. After a success, a repeated `If-Match` would be refused. */
function isRepeatable({ method = "GET", headers = {}, idempotencyKey }: Call): boolean {
  if (method === "POST") return idempotencyKey !== undefined;
  return headers["If-Match"] === undefined;
}

function isStream(body: Body | undefined): boolean {
  return body instanceof ReadableStream;
}

function toConnectionError({ method, url }: Request, cause: unknown): ConnectionError {
  // The message of Node is only "fetch failed".
  const source = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const reason = source instanceof Error ? source.message : String(source);
  return new ConnectionError(`${method} ${url} failed: ${reason}`, cause);
}

/** Builds a POST request without a body. */
export function postEmpty(options: WriteOptions): Call {
  return { ...options, method: "POST" };
}

export function post(body: Body, contentType: string, options: WriteOptions): Call {
  return { ...options, method: "POST", headers: { "Content-Type": contentType }, body };
}

export function postJson(body: unknown, options: WriteOptions): Call {
  return post(JSON.stringify(body), "application/json", options);
}

export function putJson(body: unknown, { ifVersion, ...options }: PutOptions): Call {
  const { headers, ...call } = postJson(body, options);
  const condition = ifVersion === undefined ? {} : { "If-Match": `"${ifVersion}"` };
  return { ...call, method: "PUT", headers: { ...headers, ...condition } };
}

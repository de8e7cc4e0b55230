import type { z } from "zod";
import type { Problem } from "../problem.ts";
import { follow, type FollowOptions } from "./follow.ts";
import type { SentEvent } from "./read-events.ts";

export interface ClientOptions {
  baseUrl: string;
  /** API key sent with every request; not needed until the service has keys. */
  apiKey?: string;
  fetch?: (request: Request) => Promise<Response>;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  /** A repeated request with the same key and body gets the original response. */
  idempotencyKey?: string;
}

export interface PageQuery {
  cursor?: string;
  /** 1 to 500; 50 by default. */
  limit?: number;
}

export type Body = string | Blob | ReadableStream<Uint8Array>;

/** The error of a response whose status is not 2xx. */
export class TorilError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super([problem.title, problem.detail].filter(Boolean).join(": "));
    this.name = "TorilError";
    this.problem = problem;
  }
}

/** Sends requests and reads responses. Bodies are typed by the contract and not validated. */
export type Transport = ReturnType<typeof createTransport>;

export function createTransport({
  baseUrl,
  apiKey,
  fetch: send = (request) => fetch(request),
}: ClientOptions) {
  function sendTo(path: string, init: RequestInit): Promise<Response> {
    const request = new Request(new URL(path, baseUrl).href, init);
    if (apiKey !== undefined) request.headers.set("Authorization", `Bearer ${apiKey}`);
    return send(request);
  }

  return {
    /** Returns the body of the response. Throws `TorilError` for a status that is not 2xx. */
    async call<Schema extends z.ZodType>(
      path: string,
      init: RequestInit & { query?: Record<string, string | number | undefined> } = {},
    ): Promise<z.output<Schema>> {
      const { query = {}, ...request } = init;
      const url = new URL(path, "http://any");
      for (const [name, value] of Object.entries(query)) {
        if (value !== undefined) url.searchParams.set(name, String(value));
      }
      const response = await sendTo(url.pathname + url.search, request);
      if (!response.ok) throw new TorilError(await readProblem(response));
      return (await response.json()) as z.output<Schema>;
    },

    /** Yields the events of a stream and reconnects after errors that are transient. */
    followAt<Event>(
      path: string,
      toEvent: (sent: SentEvent) => Event,
      options: FollowOptions = {},
    ) {
      const { signal } = options;
      const connect = async (lastEventId: string | undefined) => {
        const headers = new Headers({ Accept: "text/event-stream" });
        if (lastEventId !== undefined) headers.set("Last-Event-ID", lastEventId);
        const response = await sendTo(path, { headers, ...(signal && { signal }) });
        if (!response.ok) throw new TorilError(await readProblem(response));
        return response.status === 204 ? undefined : (response.body ?? undefined);
      };
      const isTransient = (error: unknown) =>
        !(error instanceof TorilError) || error.problem.status >= 500;
      return follow(connect, toEvent, { ...options, isTransient });
    },
  };
}

/** Builds a POST request without a body. */
export function postEmpty({ idempotencyKey, signal }: WriteOptions) {
  return {
    method: "POST",
    ...(idempotencyKey === undefined ? {} : { headers: { "Idempotency-Key": idempotencyKey } }),
    ...(signal === undefined ? {} : { signal }),
  };
}

export function post(body: Body, contentType: string, { idempotencyKey, signal }: WriteOptions) {
  const headers = new Headers({ "Content-Type": contentType });
  if (idempotencyKey !== undefined) headers.set("Idempotency-Key", idempotencyKey);
  const isStream = body instanceof ReadableStream;
  return {
    method: "POST",
    headers,
    body,
    ...(signal === undefined ? {} : { signal }),
    ...(isStream ? { duplex: "half" as const } : {}),
  };
}

export function postJson(body: unknown, options: WriteOptions) {
  return post(JSON.stringify(body), "application/json", options);
}

async function readProblem(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => undefined);
  if (isProblem(body)) return body;
  return {
    type: "about:blank",
    title: response.statusText || "No problem document",
    status: response.status,
  };
}

/** A proxy may answer instead of Toril. */
function isProblem(body: unknown): body is Problem {
  if (typeof body !== "object" || body === null) return false;
  const { type, title, status } = body as Partial<Record<string, unknown>>;
  return typeof type === "string" && typeof title === "string" && typeof status === "number";
}

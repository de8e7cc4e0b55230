import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { findUrlFault } from "./open-url.ts";
import { createGuardedLookup, isPublicAddress } from "./public-lookup.ts";

export interface PostRequest {
  headers: Readonly<Record<string, string>>;
  /** JSON text. */
  body: string;
  timeoutMs: number;
  /** Aborts the request, which then ends as `failed`. */
  signal?: AbortSignal;
  /** Maximum size of the response body; the rest is not read. */
  maxResponseBytes: number;
}

/** A response of any status, also a redirect, or why there was none. */
export type PostOutcome =
  | {
      status: "response";
      code: number;
      headers: IncomingMessage["headers"];
      body: Uint8Array;
      /** Whether the body was longer than `maxResponseBytes`. */
      isCut: boolean;
    }
  | { status: "failed"; detail: string };

export interface SafePost extends AsyncDisposable {
  (url: string, request: PostRequest): Promise<PostOutcome>;
}

export interface SafePostOptions {
  /** Called for each address that is not public. */
  isPrivateAllowed(address: string): boolean;
  userAgent: string;
}

const idleSocketMs = 5000;
const idleSocketsPerHost = 10;

/**
 * Creates a function that sends JSON to untrusted URLs. Addresses are checked when a socket connects; sockets are
 * reused. Redirects are not followed. Never rejects.
 */
export function createSafePost({ isPrivateAllowed, userAgent }: SafePostOptions): SafePost {
  const isAllowed = (address: string) => isPublicAddress(address) || isPrivateAllowed(address);
  const lookup = createGuardedLookup(isAllowed);
  const settings = { keepAlive: true, timeout: idleSocketMs, maxFreeSockets: idleSocketsPerHost };
  const agents = { http: new HttpAgent(settings), https: new HttpsAgent(settings) };

  function open(url: URL, request: PostRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const isHttps = url.protocol === "https:";
    const send = isHttps ? requestHttps : requestHttp;
    const agent = isHttps ? agents.https : agents.http;
    const body = Buffer.from(request.body);
    const headers = {
      "content-type": "application/json",
      "content-length": body.byteLength,
      "user-agent": userAgent,
      accept: "application/json, */*;q=0.5",
      ...request.headers,
    };
    const attempt = (isRepeated: boolean): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const sent = send(url, { method: "POST", lookup, signal, headers, agent });
        sent.on("response", resolve).on("error", (error) => {
          // The server closed an idle connection at the moment of its reuse.
          const isStale = sent.reusedSocket && "code" in error && error.code === "ECONNRESET";
          if (isStale && !isRepeated && !signal.aborted) resolve(attempt(true));
          else reject(error);
        });
        sent.end(body);
      });
    return attempt(false);
  }

  async function post(href: string, request: PostRequest): Promise<PostOutcome> {
    const url = URL.parse(href);
    if (url === null) return { status: "failed", detail: "The address is not a URL." };
    const fault = findUrlFault(url, isAllowed);
    if (fault !== null) return { status: "failed", detail: fault };
    const deadline = AbortSignal.timeout(request.timeoutMs);
    const stop =
      request.signal === undefined ? deadline : AbortSignal.any([request.signal, deadline]);
    try {
      const response = await open(url, request, stop);
      const { body, isCut } = await readStart(response, request.maxResponseBytes);
      const { statusCode: code = 0, headers } = response;
      return { status: "response", code, headers, body, isCut };
    } catch (error) {
      if (deadline.aborted) {
        return {
          status: "failed",
          detail: `No complete response arrived within ${request.timeoutMs} ms.`,
        };
      }
      return { status: "failed", detail: getDetail(error) };
    }
  }

  return Object.assign(post, {
    async [Symbol.asyncDispose]() {
      agents.http.destroy();
      agents.https.destroy();
    },
  });
}

/** Reads at most `maxBytes` of a body. A longer body costs its connection. */
async function readStart(response: IncomingMessage, maxBytes: number) {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let isCut = false;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > maxBytes) {
      isCut = true;
      break;
    }
  }
  return { body: Buffer.concat(chunks).subarray(0, maxBytes), isCut };
}

// Errors of connecting to several addresses have a code but no message.
function getDetail(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ("code" in error ? String(error.code) : error.name);
}

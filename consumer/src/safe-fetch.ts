import type { IncomingMessage } from "node:http";
import { openUrl, redirectOf, urlFault } from "./safe-fetch/open-url.ts";
import {
  createGuardedLookup,
  isPublicAddress,
  PrivateAddressError,
} from "./safe-fetch/public-lookup.ts";
import { readBody } from "./safe-fetch/read-body.ts";

/** `refused` will never work, `failed` is worth another try. */
export type FetchedDocument =
  | { status: "ok"; bytes: Uint8Array; contentType: string | undefined; url: string }
  | { status: "refused"; detail: string }
  | { status: "failed"; detail: string };

export interface FetchOptions {
  signal: AbortSignal;
  /** A header for the origin of the first URL alone. */
  authorization?: string | undefined;
}

export interface SafeFetch extends AsyncDisposable {
  (url: string, options: FetchOptions): Promise<FetchedDocument>;
  /** Ends what is under way, as `failed`. */
  close(): Promise<void>;
}

export interface SafeFetchOptions {
  /** Asked for each address that is not public. */
  isPrivateAllowed(address: string): boolean;
  /** From the first look-up to the last byte, redirects included. */
  timeoutMs: number;
  /** Of the body, unpacked. */
  maxBytes: number;
  maxRedirects: number;
  userAgent: string;
}

const retriedStatuses = new Set([408, 425, 429]);

/** Fetches documents that strangers name. Rejects only with the reason of an aborted `signal`. */
export function createSafeFetch(options: SafeFetchOptions): SafeFetch {
  const isAllowed = (address: string) =>
    isPublicAddress(address) || options.isPrivateAllowed(address);
  const lookup = createGuardedLookup(isAllowed);
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();

  async function follow(
    start: string,
    { signal, authorization }: FetchOptions,
  ): Promise<FetchedDocument> {
    let href = start;
    let isAtHome = true;
    for (let redirects = 0; redirects <= options.maxRedirects; redirects++) {
      const url = URL.parse(href);
      if (!url) return { status: "refused", detail: `${href.slice(0, 200)} is not a URL.` };
      const fault = urlFault(url, isAllowed);
      if (fault !== null) return { status: "refused", detail: fault };
      // Not even when another origin leads back: it would say what to ask there.
      isAtHome &&= url.origin === URL.parse(start)?.origin;
      const response = await openUrl(url, {
        lookup,
        signal,
        userAgent: options.userAgent,
        authorization: isAtHome ? authorization : undefined,
      });
      try {
        const location = redirectOf(response, url);
        if (location === null) return await receive(response, url, options.maxBytes);
        href = location;
      } finally {
        response.destroy();
      }
    }
    return {
      status: "refused",
      detail: `The server redirects more than ${options.maxRedirects} times.`,
    };
  }

  async function fetchDocument(
    url: string,
    { signal, authorization }: FetchOptions,
  ): Promise<FetchedDocument> {
    signal.throwIfAborted();
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), options.timeoutMs);
    const stops = [signal, deadline.signal, closing.signal];
    try {
      return await follow(url, { signal: AbortSignal.any(stops), authorization });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof PrivateAddressError) return { status: "refused", detail: error.message };
      return { status: "failed", detail: failureOf(error) };
    } finally {
      clearTimeout(timer);
    }

    function failureOf(error: unknown): string {
      if (deadline.signal.aborted) return `No whole answer came within ${options.timeoutMs} ms.`;
      if (closing.signal.aborted) return "The fetcher was closed.";
      return error instanceof Error ? error.message || errorCode(error) : String(error);
    }
  }

  async function close(): Promise<void> {
    closing.abort();
    await Promise.allSettled(running);
  }

  const track = async (url: string, asked: FetchOptions): Promise<FetchedDocument> => {
    const run = fetchDocument(url, asked);
    running.add(run);
    try {
      return await run;
    } finally {
      running.delete(run);
    }
  };
  return Object.assign(track, { close, [Symbol.asyncDispose]: close });
}

// What connecting to several addresses fails with has a code, and no message.
function errorCode(error: Error): string {
  return "code" in error ? String(error.code) : error.name;
}

async function receive(
  response: IncomingMessage,
  url: URL,
  maxBytes: number,
): Promise<FetchedDocument> {
  const code = response.statusCode ?? 0;
  if (code >= 500 || retriedStatuses.has(code)) {
    return { status: "failed", detail: `The server answered ${code}.` };
  }
  if (code < 200 || code >= 300)
    return { status: "refused", detail: `The server answered ${code}.` };
  const body = await readBody(response, maxBytes);
  if (body.status !== "ok") return body;
  const contentType = response.headers["content-type"];
  return { status: "ok", bytes: body.bytes, contentType, url: url.href };
}

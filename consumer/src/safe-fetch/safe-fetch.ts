import type { IncomingMessage } from "node:http";
import { createByteBudget, type HeldBytes } from "./byte-budget.ts";
import { openUrl, getRedirect, findUrlFault, type Validators } from "./open-url.ts";
import { createGuardedLookup, isPublicAddress, PrivateAddressError } from "./public-lookup.ts";
import { readBody } from "./read-body.ts";
import { getFreshUntil, parseRetryAfter } from "./response-times.ts";

/** Result of a fetch. `refused` is permanent, `failed` may be retried; `code` is the HTTP status of a response. */
export type FetchedDocument =
  | ({ status: "ok"; code: number; contentType: string | undefined } & Known & FetchedBody & Reuse)
  | ({ status: "not-modified"; code: number } & Reuse)
  | { status: "refused"; code?: number; detail: string }
  | { status: "failed"; code?: number; detail: string }
  /** The server sent Retry-After. */
  | { status: "later"; code: number; at: Date; detail: string };

/** What later fetches may do instead of repeating this one. */
export interface Reuse {
  /** URL that permanent redirects from the first URL lead to; undefined if there were none. */
  movedTo: string | undefined;
  /** Until when the response is fresh, by its Cache-Control; null if unknown. */
  freshUntil: Date | null;
}

export interface FetchedBody {
  bytes: Uint8Array;
  /** Dispose when neither the body nor anything parsed from the body is needed any more. */
  held: Disposable;
}

/** Validators of a fetched version and its final URL after redirects. */
export interface Known extends Validators {
  url: string;
}

export interface FetchOptions {
  signal: AbortSignal;
  /** Authorization header, sent only to the origin of the first URL. */
  authorization?: string | undefined;
  /** Validators, sent only to the URL that they belong to. */
  known?: Known | undefined;
}

export interface SafeFetch extends AsyncDisposable {
  (url: string, options: FetchOptions): Promise<FetchedDocument>;
  /** Aborts active fetches, which end as `failed`. */
  close(): Promise<void>;
}

export interface SafeFetchOptions {
  /** Called for each address that is not public. */
  isPrivateAllowed(address: string): boolean;
  /** From the first lookup to the last byte, including redirects, excluding the wait for `maxHeldBytes`. */
  timeoutMs: number;
  /** Maximum size of a decompressed body. */
  maxBytes: number;
  /** Maximum size of all undisposed bodies together. A fetch waits until there is room. */
  maxHeldBytes: number;
  maxRedirects: number;
  userAgent: string;
}

/** Reserved before the body: a fetch connects only when there is room. */
const openingBytes = 16_384;
const retriedStatuses = new Set([408, 425, 429]);

/** Fetches documents from untrusted URLs. Rejects only with the reason of an aborted `signal`. */
export function createSafeFetch(options: SafeFetchOptions): SafeFetch {
  const isAllowed = (address: string) =>
    isPublicAddress(address) || options.isPrivateAllowed(address);
  const lookup = createGuardedLookup(isAllowed);
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  const budget = createByteBudget({
    maxBytes: options.maxHeldBytes,
    maxBytesPerHolder: openingBytes + options.maxBytes,
  });

  async function follow(
    start: string,
    { signal, authorization, known }: FetchOptions,
    body: BodyHold,
  ): Promise<FetchedDocument> {
    let href = start;
    let isAtHome = true;
    let isPermanent = true;
    let movedTo: string | undefined;
    for (let redirects = 0; redirects <= options.maxRedirects; redirects++) {
      const url = URL.parse(href);
      if (!url) return { status: "refused", detail: `${href.slice(0, 200)} is not a URL.` };
      const fault = findUrlFault(url, isAllowed);
      if (fault !== null) return { status: "refused", detail: fault };
      // Not even after a redirect back to the first origin: the other origin chose that URL.
      isAtHome &&= url.origin === URL.parse(start)?.origin;
      const isKnown = known?.url === url.href && (known.etag ?? known.lastModified) !== null;
      const validators = isKnown ? known : undefined;
      const response = await openUrl(url, {
        lookup,
        signal,
        userAgent: options.userAgent,
        authorization: isAtHome ? authorization : undefined,
        validators,
      });
      try {
        const location = getRedirect(response, url);
        if (location === null) {
          if (response.statusCode === 304 && validators)
            return {
              status: "not-modified",
              code: 304,
              movedTo,
              freshUntil: getFreshUntil(response),
            };
          const received = await receive(response, url, options.maxBytes, body);
          return received.status === "ok" ? { ...received, movedTo } : received;
        }
        href = location;
        // A temporary redirect must be asked for again, with everything behind it.
        isPermanent &&= response.statusCode === 301 || response.statusCode === 308;
        if (isPermanent) movedTo = href;
      } finally {
        response.destroy();
      }
    }
    return {
      status: "refused",
      detail: `The server redirects more than ${options.maxRedirects} times.`,
    };
  }

  async function fetchDocument(url: string, fetchOptions: FetchOptions): Promise<FetchedDocument> {
    const { signal } = fetchOptions;
    signal.throwIfAborted();
    const deadline = createDeadline(options.timeoutMs);
    const stop = AbortSignal.any([signal, deadline.signal, closing.signal]);
    const held = budget.open();
    const grow = (bytes: number) => deadline.pause(() => held.grow(bytes, stop));
    let document: FetchedDocument | undefined;
    try {
      await grow(openingBytes);
      document = await follow(url, { ...fetchOptions, signal: stop }, { held, grow });
      return document;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof PrivateAddressError) return { status: "refused", detail: error.message };
      return { status: "failed", detail: getFailure(error) };
    } finally {
      deadline.stop();
      if (document?.status !== "ok") held[Symbol.dispose]();
    }

    function getFailure(error: unknown): string {
      if (deadline.signal.aborted)
        return `No complete response arrived within ${options.timeoutMs} ms.`;
      if (closing.signal.aborted) return "The fetcher was closed.";
      return error instanceof Error ? error.message || errorCode(error) : String(error);
    }
  }

  async function close(): Promise<void> {
    closing.abort();
    await Promise.allSettled(running);
  }

  const track = async (url: string, fetchOptions: FetchOptions): Promise<FetchedDocument> => {
    const run = fetchDocument(url, fetchOptions);
    running.add(run);
    try {
      return await run;
    } finally {
      running.delete(run);
    }
  };
  return Object.assign(track, { close, [Symbol.asyncDispose]: close });
}

type Received =
  | Omit<Extract<FetchedDocument, { status: "ok" }>, "movedTo">
  | Exclude<FetchedDocument, { status: "ok" | "not-modified" }>;

interface BodyHold {
  held: HeldBytes;
  grow(bytes: number): Promise<void>;
}

/** Aborts its signal after `timeoutMs`, not counting pauses. */
function createDeadline(timeoutMs: number) {
  const controller = new AbortController();
  let leftMs = timeoutMs;
  let startedAt = 0;
  let timer: NodeJS.Timeout;

  function start() {
    startedAt = performance.now();
    timer = setTimeout(() => controller.abort(), leftMs);
  }
  function stop() {
    clearTimeout(timer);
    leftMs = Math.max(0, leftMs - (performance.now() - startedAt));
  }
  start();
  return {
    signal: controller.signal,
    stop,
    async pause(work: () => Promise<void>): Promise<void> {
      stop();
      await work();
      start();
    },
  };
}

// Errors of connecting to several addresses have a code but no message.
function errorCode(error: Error): string {
  return "code" in error ? String(error.code) : error.name;
}

async function receive(
  response: IncomingMessage,
  url: URL,
  maxBytes: number,
  { held, grow }: BodyHold,
): Promise<Received> {
  const code = response.statusCode ?? 0;
  const detail = `The server answered ${code}.`;
  const at = parseRetryAfter(response, Date.now());
  if (at !== null) return { status: "later", code, at, detail };
  if (code >= 500 || retriedStatuses.has(code)) return { status: "failed", code, detail };
  if (code < 200 || code >= 300) return { status: "refused", code, detail };
  const body = await readBody(response, maxBytes, grow);
  if (body.status !== "ok") return { ...body, code };
  const { "content-type": contentType, etag = null } = response.headers;
  const lastModified = response.headers["last-modified"] ?? null;
  const { bytes } = body;
  const freshUntil = getFreshUntil(response);
  return {
    status: "ok",
    code,
    bytes,
    held,
    contentType,
    url: url.href,
    etag,
    lastModified,
    freshUntil,
  };
}

import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { literalAddress, PrivateAddressError } from "./public-lookup.ts";

const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/** Returns why a URL must not be opened, or null. Accepts host names: their addresses are checked on lookup. */
export function findUrlFault(url: URL, isAllowed: (address: string) => boolean): string | null {
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return `The scheme ${url.protocol} is neither http: nor https:.`;
  }
  if (url.username !== "" || url.password !== "") return "A URL with credentials is not fetched.";
  const address = literalAddress(url);
  if (address === null || isAllowed(address)) return null;
  return new PrivateAddressError(address).message;
}

/** HTTP validators of the last fetched version of a document. */
export interface Validators {
  etag: string | null;
  lastModified: string | null;
}

interface OpenOptions {
  lookup: LookupFunction;
  signal: AbortSignal;
  userAgent: string;
  authorization: string | undefined;
  /** Makes the request conditional: a 304 response means unchanged. */
  validators: Validators | undefined;
}

/** Sends a GET request; the caller must read or destroy the response body. */
export function openUrl(
  url: URL,
  { lookup, signal, userAgent, authorization, validators }: OpenOptions,
): Promise<IncomingMessage> {
  const headers = {
    "user-agent": userAgent,
    accept:
      "application/rss+xml, application/atom+xml, application/rdf+xml, application/feed+json, */*;q=0.5",
    "accept-encoding": "gzip, br",
    ...(authorization === undefined ? {} : { authorization }),
    ...(validators?.etag && { "if-none-match": validators.etag }),
    ...(validators?.lastModified && { "if-modified-since": validators.lastModified }),
  };
  const request = url.protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    request(url, { lookup, signal, headers, agent: false })
      .on("response", resolve)
      .on("error", reject)
      .end();
  });
}

/** Returns the redirect target of a response, or null. */
export function getRedirect(response: IncomingMessage, from: URL): string | null {
  const { statusCode, headers } = response;
  if (!redirectStatuses.has(statusCode ?? 0) || !headers.location) return null;
  const location = Buffer.from(headers.location, "latin1").toString();
  return URL.parse(location, from.href)?.href ?? location;
}

import { readCookie } from "./sign-in/cookies.ts";

/**
 * The session of the console is a cookie that contains the key or the access token itself. No state is kept, so that
 * every producer accepts the session, also after a restart, and a revoked key ends it.
 */

/** Sent by the console with every request. A page of another site cannot send it: the API permits no CORS request. */
const consoleHeader = "Toril-Console";

/** Whether the console sent the request. */
export function isConsoleRequest(headers: Headers): boolean {
  return headers.has(consoleHeader);
}

/** Whether the console sent the request, and no other site caused it. */
export function isTrustedConsoleRequest(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  // Browsers send no Sec-Fetch-Site to a plain HTTP address other than localhost.
  return isConsoleRequest(headers) && (site === null || site === "same-origin");
}

/**
 * Returns the Authorization header that the session of the console represents; null without a session, or if another
 * site may have caused the request. Without the console's header, reads are accepted from the same origin; pages, such
 * as `/docs`, also if a person entered the address.
 */
export function getSessionAuthorization(
  { headers, method }: Request,
  isPage: boolean,
): string | null {
  const credential = readCookie(headers, "toril-session");
  if (credential === undefined) return null;
  const site = headers.get("sec-fetch-site");
  const isTrusted = isConsoleRequest(headers)
    ? isTrustedConsoleRequest(headers)
    : /^(GET|HEAD)$/.test(method) && (site === "same-origin" || (isPage && site === "none"));
  return isTrusted ? `Bearer ${credential}` : null;
}

/** Returns the bearer token of the Authorization header. */
export function getBearerToken(headers: Headers): string | undefined {
  return /^bearer +([\w.~+/-]+=*) *$/i.exec(headers.get("authorization") ?? "")?.[1];
}

import { z } from "zod";

/**
 * The cookies of the console:
 *
 * - `toril-session`: the key or the access token.
 * - `toril-refresh`: the refresh token.
 * - `toril-sign-in`: a sign-in at the issuer that has begun.
 * - `toril-error`: why the last sign-in failed.
 */
export type CookieName = "toril-session" | "toril-refresh" | "toril-sign-in" | "toril-error";

/** A session, also one whose access token is refreshed, ends after 12 hours. */
const sessionSeconds = 12 * 60 * 60;
const signInSeconds = 600;
const errorSeconds = 60;
/** Browsers refuse longer cookies. */
const maxCookieBytes = 4000;

/** Whether the browser uses TLS, which may end at a proxy. */
export function isSecureRequest(headers: Headers): boolean {
  return ["x-forwarded-proto", "origin"].some((name) => /^https\b/i.test(headers.get(name) ?? ""));
}

/** Returns a cookie. With TLS, only the prefixed one counts: other hosts of a domain can set the other. */
export function readCookie(headers: Headers, name: CookieName): string | undefined {
  const cookies = headers.get("cookie");
  if (cookies === null) return undefined;
  const prefixed = find(cookies, `__Host-${name}=`);
  return prefixed ?? (isSecureRequest(headers) ? undefined : find(cookies, `${name}=`));
}

function find(cookies: string, prefix: string): string | undefined {
  const found = cookies.split(";").find((cookie) => cookie.trimStart().startsWith(prefix));
  return found?.trim().slice(prefix.length) || undefined;
}

/** Returns the Set-Cookie headers that start a session; without a refresh token, a former one is deleted. */
export function startSession(isSecure: boolean, credential: string, refresh?: string): string[] {
  return [
    toCookie(isSecure, "toril-session", credential, sessionSeconds),
    toCookie(isSecure, "toril-refresh", refresh ?? "", refresh === undefined ? 0 : sessionSeconds),
  ];
}

/** Returns the Set-Cookie headers that end a session. */
export function endSession(isSecure: boolean): string[] {
  const names = ["toril-session", "toril-refresh"] as const;
  // A session that began without TLS may have left its cookies.
  const schemes = isSecure ? [true, false] : [false];
  return schemes.flatMap((scheme) => names.map((name) => toCookie(scheme, name, "", 0)));
}

/** Whether a token fits into a cookie. */
export function fitsCookie(token: string): boolean {
  return token.length <= maxCookieBytes && /^[\w.~+/=-]+$/.test(token);
}

const PendingSignIn = z.strictObject({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  /** The page to return to. */
  to: z.string(),
});
type PendingSignIn = z.infer<typeof PendingSignIn>;

export function keepPending(isSecure: boolean, pending: PendingSignIn): string {
  return toCookie(isSecure, "toril-sign-in", encode(JSON.stringify(pending)), signInSeconds);
}

/** Reads a sign-in that began. With TLS, only the prefixed cookie counts: other hosts of a domain can set the other. */
export function readPending(isSecure: boolean, headers: Headers): PendingSignIn | undefined {
  const name = isSecure ? "__Host-toril-sign-in" : "toril-sign-in";
  const value = find(headers.get("cookie") ?? "", `${name}=`);
  try {
    return value === undefined ? undefined : PendingSignIn.parse(JSON.parse(decode(value)));
  } catch {
    return undefined;
  }
}

export function forgetPending(isSecure: boolean): string {
  return toCookie(isSecure, "toril-sign-in", "", 0);
}

/** Keeps the reason of a failure for the sign-in page. */
export function keepError(isSecure: boolean, reason: string): string {
  return toCookie(isSecure, "toril-error", encode(reason.slice(0, 1000)), errorSeconds);
}

export function readError(headers: Headers): string | null {
  const value = readCookie(headers, "toril-error");
  return value === undefined ? null : decode(value);
}

export function forgetError(isSecure: boolean): string {
  return toCookie(isSecure, "toril-error", "", 0);
}

function toCookie(isSecure: boolean, name: CookieName, value: string, seconds: number): string {
  // The issuer's redirect comes from another site: browsers send it no cookie that is `Strict`.
  const site = name === "toril-sign-in" ? "Lax" : "Strict";
  const attributes = `Path=/; Max-Age=${seconds}; HttpOnly; SameSite=${site}`;
  return isSecure
    ? `__Host-${name}=${value}; ${attributes}; Secure`
    : `${name}=${value}; ${attributes}`;
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}

function decode(value: string): string {
  return Buffer.from(value, "base64url").toString();
}

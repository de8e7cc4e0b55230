/**
 * The session of the console is a cookie that contains the key or the access token itself. No state is kept, so that
 * every producer accepts the session, also after a restart, and a revoked key ends it.
 */

/** Sent by the console with every request. A page of another site cannot send it: the API permits no CORS request. */
const consoleHeader = "Toril-Console";

const plainName = "toril-session";
/** Browsers accept this name only from the host itself, with `Secure` and `Path=/`. */
const secureName = `__Host-${plainName}`;
const maxAgeSeconds = 12 * 60 * 60;

/** Whether the console sent the request. */
export function isConsoleRequest(headers: Headers): boolean {
  return headers.has(consoleHeader);
}

/**
 * Returns the Authorization header that the session of the console stands for; null without a session, or if another
 * site may have caused the request. Reads by links, such as `/docs`, are accepted from the same origin only.
 */
export function getSessionAuthorization(headers: Headers, method: string): string | null {
  const cookies = headers.get("cookie");
  if (cookies === null) return null;
  const site = headers.get("sec-fetch-site");
  const isSameOrigin = site === "same-origin";
  // Browsers send no Sec-Fetch-Site to a plain HTTP address other than localhost.
  const isTrusted = isConsoleRequest(headers)
    ? site === null || isSameOrigin
    : isSameOrigin && /^(GET|HEAD)$/.test(method);
  if (!isTrusted) return null;
  const credential = readCookie(cookies, secureName) ?? readCookie(cookies, plainName);
  return credential === undefined ? null : `Bearer ${credential}`;
}

/** Returns the Set-Cookie headers that start a session; undefined if the Authorization header has no bearer token. */
export function startSession(headers: Headers): string[] | undefined {
  const credential = /^bearer +([\w.~+/-]+=*) *$/i.exec(headers.get("authorization") ?? "")?.[1];
  return credential === undefined ? undefined : toCookies(headers, credential, maxAgeSeconds);
}

/** Returns the Set-Cookie headers that end a session. */
export function endSession(headers: Headers): string[] {
  return [...toCookies(headers, "", 0), ...(isSecure(headers) ? [toCookie(plainName, "", 0)] : [])];
}

function toCookies(headers: Headers, value: string, seconds: number): string[] {
  return isSecure(headers)
    ? [`${toCookie(secureName, value, seconds)}; Secure`]
    : [toCookie(plainName, value, seconds)];
}

function toCookie(name: string, value: string, seconds: number) {
  return `${name}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict`;
}

/** Whether the browser opened the page with TLS, which may end at a proxy. */
function isSecure(headers: Headers) {
  return headers.get("origin")?.startsWith("https://") ?? false;
}

function readCookie(cookies: string, name: string): string | undefined {
  const prefix = `${name}=`;
  const found = cookies.split(";").find((cookie) => cookie.trimStart().startsWith(prefix));
  return found?.trim().slice(prefix.length) || undefined;
}

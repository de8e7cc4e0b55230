import { createClient, type IssuedApiKey, TorilError } from "@toril/client";

/** Called when the service refuses the session. Returns what reads wait for, before they are repeated. */
type SessionListener = () => Promise<void> | undefined;

const unauthenticated = new Set<SessionListener>();

/** Calls the listener when the service refuses the session: it expired, or the key was revoked. */
export function onUnauthenticated(listener: SessionListener): () => void {
  unauthenticated.add(listener);
  return () => void unauthenticated.delete(listener);
}

const header = { "Toril-Console": "1" };

/** Sends a request with the session. The header proves that no page of another site sent it. */
export async function send(request: Request): Promise<Response> {
  mark(request);
  const again = isSmall(request) ? request.clone() : undefined;
  const response = await fetch(request);
  if (response.status !== 401) return response;
  const isRefreshed = await refreshSession();
  // A person repeats the upload of a file.
  if (isRefreshed && again === undefined) return response;
  const last = isRefreshed && again !== undefined ? await fetch(again) : response;
  if (last.status !== 401) return last;
  const signIns = [...unauthenticated].flatMap((listener) => listener() ?? []);
  // Another person may sign in later, and must not send a change that the first one made.
  if (signIns.length === 0 || request.method !== "GET") return last;
  await Promise.all(signIns);
  return send(request);
}

function mark(request: Request): Request {
  for (const [name, value] of Object.entries(header)) request.headers.set(name, value);
  return request;
}

/** Copying a request keeps its body in memory. */
function isSmall({ body, headers }: Request): boolean {
  return body === null || headers.get("content-type") === "application/json";
}

let refreshing: Promise<boolean> | undefined;

/** Returns whether there is a session, refreshed if necessary; requests that are refused at the same time share one refresh, also those of other tabs. */
export function refreshSession(): Promise<boolean> {
  refreshing ??= withLock(async () => {
    const options = { headers: header };
    // Another tab may have refreshed the session meanwhile.
    if ((await fetch("/v1/whoami", options)).ok) return true;
    return (await fetch("/console/session/refresh", { method: "POST", ...options })).ok;
  }).finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

/** Browsers have locks on secure pages only. */
function withLock(work: () => Promise<boolean>): Promise<boolean> {
  return navigator.locks === undefined ? work() : navigator.locks.request("toril-session", work);
}

/** Everything that the console shows comes from the public API. */
export const client = createClient({
  baseUrl: location.origin,
  fetch: send,
  retry: { attempts: 3, maxRetryAfterMs: 2000 },
});

export async function fetchJson<Body>(path: string): Promise<Body> {
  const response = await send(new Request(path, { headers: { Accept: "application/json" } }));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return (await response.json()) as Body;
}

/** Saves a response as a file. A link would be refused on plain HTTP, where browsers do not tell its origin. */
export async function save(body: ReadableStream<Uint8Array>, name: string): Promise<void> {
  const url = URL.createObjectURL(await new Response(body).blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

/** Starts a session with a key. Throws `TorilError` if the service refuses the key. */
export async function signIn(key: string): Promise<void> {
  const response = await fetch("/console/session", {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, ...header },
  });
  if (response.ok) return;
  throw new TorilError(await response.json());
}

/**
 * Creates the first key, from which on the service refuses requests without a key, and starts a session with it.
 * Requests that are refused meanwhile wait for the session.
 */
export function createFirstKey(
  definition: Parameters<typeof client.createKey>[0],
): Promise<IssuedApiKey> {
  const plain = createClient({
    baseUrl: location.origin,
    fetch: (request) => fetch(mark(request)),
  });
  const creating = plain.createKey(definition);

  async function startSession() {
    const { key } = await creating;
    // A producer learns of the key up to two seconds later, and starts no session until then.
    for (let attempt = 0; attempt < 50; attempt += 1) {
      await signIn(key).catch(() => {});
      const principal = await plain.getPrincipal().catch(() => undefined);
      if (principal !== undefined && principal.kind !== "open") return true;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return false;
  }
  refreshing = startSession()
    .catch(() => false)
    .finally(() => {
      refreshing = undefined;
    });
  return creating;
}

/** How people can sign in, and why the last sign-in failed. */
export interface SignInOptions {
  /** The OpenID Connect issuer, and where a sign-in begins. */
  oidc: { issuer: string; url: string } | null;
  error: string | null;
}

export function getSignInOptions(): Promise<SignInOptions> {
  return fetchJson("/console/session");
}

/** Ends the session. Returns the address that ends the session at the OpenID Connect issuer, too, if there is one. */
export async function signOut(): Promise<string | undefined> {
  const response = await fetch("/console/session", { method: "DELETE", headers: header });
  if (response.status !== 200) return undefined;
  const { signOutUrl } = (await response.json()) as { signOutUrl: string };
  return signOutUrl;
}

/** Returns what a person reads about a failed request. */
export function describeError(error: unknown): string {
  if (error instanceof TorilError) {
    const { title, detail, errors = [] } = error.problem;
    const fields = errors.map(({ pointer, detail }) => `${pointer} ${detail}`);
    return [title, detail, ...fields].filter(Boolean).join(" · ");
  }
  return error instanceof Error ? error.message : String(error);
}

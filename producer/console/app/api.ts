import { createClient, TorilError } from "@toril/client";

const unauthenticated = new Set<() => void>();

/** Calls the listener when the service refuses the session: it expired, or the key was revoked. */
export function onUnauthenticated(listener: () => void): () => void {
  unauthenticated.add(listener);
  return () => void unauthenticated.delete(listener);
}

/** Sends a request with the session. The header proves that no page of another site sent it. */
export async function send(request: Request): Promise<Response> {
  request.headers.set("Toril-Console", "1");
  const response = await fetch(request);
  if (response.status === 401) for (const listener of unauthenticated) listener();
  return response;
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
    headers: { Authorization: `Bearer ${key}`, "Toril-Console": "1" },
  });
  if (response.ok) return;
  throw new TorilError(await response.json());
}

export async function signOut(): Promise<void> {
  await fetch("/console/session", { method: "DELETE", headers: { "Toril-Console": "1" } });
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

import { Hono } from "hono";
import { anyKey } from "../auth/access-rule.ts";
import type { SignInAudit } from "../audit/sign-in-audit.ts";
import type { Authorize } from "../auth/access.ts";
import { endSession, startSession } from "../auth/console-session.ts";
import type { ReadConsoleFiles, ServedFile } from "../console/console-files.ts";
import { ProblemError, problemResponse } from "../http/problem.ts";
import type { AppEnv } from "../http/request-context.ts";
import { withPolicy } from "./page.ts";

export const consolePath = "/console";

export interface ConsoleDeps {
  authorize: Authorize;
  readFiles: ReadConsoleFiles;
  signInAudit: SignInAudit;
}

/** Serves the files of the console and its session. The console itself uses only the public API. */
export function createConsole({ authorize, readFiles, signInAudit }: ConsoleDeps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.post("/session", async (c) => {
    const { headers } = c.env.request;
    const refusal = await authorize(c.env, anyKey);
    if (refusal !== undefined) {
      const isAttempt = refusal.kind === "unauthenticated" && headers.has("authorization");
      if (isAttempt) await signInAudit.recordFailure(c.env, refusal.kind);
      return problemResponse(c.env, refusal);
    }
    const cookies = startSession(headers);
    // Without keys, nobody needs a session.
    if (c.env.principal.kind !== "open") await signInAudit.record(c.env, "signIn");
    return setCookies(cookies ?? []);
  });

  routes.delete("/session", async (c) => {
    const isSignedIn = (await authorize(c.env, anyKey)) === undefined;
    if (isSignedIn && c.env.principal.kind !== "open") await signInAudit.record(c.env, "signOut");
    return setCookies(endSession(c.env.request.headers));
  });

  routes.get("/assets/:name", async (c) => {
    const file = (await requireFiles()).get(c.req.param("name"));
    if (file === undefined || file.name === "index.html") throw new ProblemError("not-found");
    // The name contains the hash of the content.
    return respond(c.env.request, file, "public, max-age=31536000, immutable");
  });

  // Pages are routed by the script: every path is the same document.
  for (const path of ["/", "/:page{.*}"]) {
    routes.get(path, async (c) => {
      const index = (await requireFiles()).get("index.html");
      if (index === undefined) throw new ProblemError("not-found");
      return respond(c.env.request, index, "no-cache");
    });
  }

  async function requireFiles() {
    const files = await readFiles();
    if (files !== undefined) return files;
    throw new ProblemError("not-found", "The console is not built: run `bun run build`.");
  }

  return routes;
}

function setCookies(cookies: readonly string[]): Response {
  const headers = new Headers({ "Cache-Control": "no-store" });
  for (const cookie of cookies) headers.append("Set-Cookie", cookie);
  return new Response(null, { status: 204, headers });
}

const policy = { "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:" };

const mediaTypes: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

function respond(request: Request, file: ServedFile, caching: string): Response {
  const accepted = request.headers.get("accept-encoding") ?? "";
  const isGzipped = /\bgzip\b/.test(accepted);
  const isCurrent = request.headers.get("if-none-match")?.includes(file.etag) ?? false;
  const body = isCurrent ? null : isGzipped ? file.gzipped : file.bytes;
  const type = mediaTypes[file.name.replace(/^.*\./, "")];
  const response =
    type === undefined
      ? withPolicy(body, policy)
      : new Response(body, {
          headers: { "Content-Type": type, "X-Content-Type-Options": "nosniff" },
        });
  const { headers } = response;
  headers.set("Cache-Control", caching);
  headers.set("ETag", file.etag);
  headers.set("Vary", "Accept-Encoding");
  if (isCurrent) return new Response(null, { status: 304, headers });
  if (isGzipped) headers.set("Content-Encoding", "gzip");
  return response;
}

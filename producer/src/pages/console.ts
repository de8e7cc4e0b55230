import { Hono } from "hono";
import type { ReadConsoleFiles, ServedFile } from "../console/console-files.ts";
import { ProblemError } from "../http/problem.ts";
import type { AppEnv } from "../http/request-context.ts";
import { withPolicy } from "./page.ts";

export const consolePath = "/console";

export interface ConsoleDeps {
  readFiles: ReadConsoleFiles;
  /** The routes of the session. */
  session: Hono<AppEnv>;
}

/** Serves the files of the console and its session. The console itself uses only the public API. */
export function createConsole({ readFiles, session }: ConsoleDeps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.route("/session", session);

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

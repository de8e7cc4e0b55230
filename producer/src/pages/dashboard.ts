import { Hono } from "hono";
import { requireUnrestricted } from "../http/caller.ts";
import type { AppEnv } from "../http/request-context.ts";
import { ProblemError, problemResponse } from "../http/problem.ts";
import type { Board, BoardDeps } from "./board.ts";
import { withPolicy } from "./page.ts";

export const dashboardPath = "/admin/queues";

/** Bull Board links to fonts on another host; without them the page uses system fonts. */
const foreignLink = /<link\b[^>]*\bhref="https?:[^>]*>/g;
const policy = {
  "base-uri": "'self'",
  "script-src": "'self'",
  // Bull Board's page and components use inline styles.
  "style-src": "'self' 'unsafe-inline'",
  "img-src": "'self' data:",
  "font-src": "'self'",
};

/**
 * Creates a read-only Bull Board: the reconciler would revert changes that bypass Postgres. The first request loads the
 * packages, which take 15 MB.
 */
export function createDashboard(deps: Omit<BoardDeps, "path">) {
  let board: Board | undefined;
  const load = async () => {
    const { createBoard } = await import("./board.ts");
    return (board ??= createBoard({ ...deps, path: dashboardPath }));
  };

  const routes = new Hono<AppEnv>();
  // Bull Board's own read-only mode does not block "pause all queues".
  routes.use(async (c, next) => {
    requireUnrestricted(c.env, "Bull Board");
    if (c.req.method !== "GET" && c.req.method !== "HEAD") {
      throw new ProblemError("method-not-allowed", undefined, undefined, {
        headers: { Allow: "GET, HEAD" },
      });
    }
    await next();
    if (c.res.headers.get("content-type")?.startsWith("text/html")) {
      const html = await c.res.text();
      c.res = undefined;
      c.res = withPolicy(html.replaceAll(foreignLink, ""), policy);
    }
    // Bull Board's own errors reveal internals.
    if (c.res.status >= 500) c.res = problemResponse(c.env, new ProblemError("at-capacity"));
  });
  routes.all("*", async (c) => {
    const { routes: pages } = board ?? (await load());
    return pages.fetch(c.req.raw, c.env);
  });
  return {
    routes,
    update: () => board?.update(),
    close: async () => board?.close(),
  };
}

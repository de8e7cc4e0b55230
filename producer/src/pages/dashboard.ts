import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { HonoAdapter } from "@bull-board/hono";
import { Queue } from "bullmq";
import { type Env, Hono, type MiddlewareHandler } from "hono";
import { serveStatic, type ServeStaticOptions } from "hono/serve-static";
import type { Cluster, Redis } from "ioredis";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { bullName } from "@toril/contract/engine/redis/names";
import { redactSealed } from "@toril/contract/engine/secrets/secret-data";
import { requireUnrestricted } from "../http/caller.ts";
import type { AppEnv } from "../http/request-context.ts";
import { ProblemError, problemResponse } from "../http/problem.ts";
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

/** Creates a read-only Bull Board: the reconciler would revert changes that bypass Postgres. */
export function createDashboard(
  redis: Redis | Cluster,
  prefix: string,
  jobTypes: Pick<JobTypeRegistry, "queues" | "secretQueues">,
) {
  const queues = new Map<string, Queue>();
  const adapter = new HonoAdapter(serveFiles);
  adapter.setBasePath(dashboardPath);
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: "Toril" } },
  });

  function openQueue(name: string): Queue {
    const queue = new Queue(bullName(name), {
      connection: redis,
      prefix,
      skipVersionCheck: true,
      skipWaitingForReady: true,
      skipMetasUpdate: true,
    });
    queue.on("error", () => {});
    return queue;
  }

  /** Shows the queues of the job types as they are now. */
  function update() {
    const names = new Set(jobTypes.queues);
    const { secretQueues } = jobTypes;
    for (const [name, queue] of queues) {
      if (names.has(name)) continue;
      queues.delete(name);
      // Without Redis there is nothing to close.
      void queue.close().catch(() => {});
    }
    for (const name of names) if (!queues.has(name)) queues.set(name, openQueue(name));
    board.replaceQueues(
      [...queues].map(([name, queue]) => {
        const shown = new BullMQAdapter(queue, {
          readOnlyMode: true,
          description: `Redis keeps no completed jobs: see /console/jobs?queue=${name}`,
        });
        // The name in BullMQ has braces; Bull Board uses this one in its pages and addresses.
        shown.getName = () => name;
        if (secretQueues.has(name)) shown.setFormatter("data", redactSealed);
        return shown;
      }),
    );
  }

  update();
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
  routes.route("/", adapter.registerPlugin());
  return {
    routes,
    update,
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

/** Hono's static file middleware on `node:fs`, so that it works on every runtime. */
function serveFiles<Of extends Env = Env>(
  options: ServeStaticOptions<Of> = {},
): MiddlewareHandler<Of> {
  return serveStatic<Of>({
    ...options,
    join,
    getContent: (path) => readFile(path).catch(() => null),
    isDir: async (path) => (await stat(path).catch(() => undefined))?.isDirectory(),
  });
}

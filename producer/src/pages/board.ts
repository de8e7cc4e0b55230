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

export interface BoardDeps {
  redis: Redis | Cluster;
  prefix: string;
  jobTypes: Pick<JobTypeRegistry, "queues" | "secretQueues">;
  /** Path of the pages. */
  path: string;
}

export interface Board {
  routes: Hono;
  /** Shows the queues of the job types as they are now. */
  update(): void;
  close(): Promise<void>;
}

/** Creates a Bull Board. */
export function createBoard({ redis, prefix, jobTypes, path }: BoardDeps): Board {
  const queues = new Map<string, Queue>();
  const adapter = new HonoAdapter(serveFiles);
  adapter.setBasePath(path);
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
  const routes = new Hono().route(path, adapter.registerPlugin());
  routes.onError((error) => {
    throw error;
  });
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

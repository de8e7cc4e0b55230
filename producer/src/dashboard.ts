import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { HonoAdapter } from "@bull-board/hono";
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { serveStatic } from "hono/bun";
import { bullName } from "@toril/contract/dispatch/names";

export const dashboardPath = "/admin/queues";

/** Bull Board, to look only: what changes behind the ledger's back is put right again by the reconciler. */
export function createDashboard(redis: Redis, prefix: string, queueNames: readonly string[]) {
  const queues = queueNames.map(
    (name) =>
      new Queue(bullName(name), {
        connection: redis,
        prefix,
        skipVersionCheck: true,
        skipWaitingForReady: true,
        skipMetasUpdate: true,
      }),
  );
  for (const queue of queues) queue.on("error", () => {});
  const adapter = new HonoAdapter(serveStatic);
  adapter.setBasePath(dashboardPath);
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true })),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: "Toril" } },
  });
  return {
    routes: adapter.registerPlugin(),
    async close() {
      await Promise.all(queues.map((queue) => queue.close()));
    },
  };
}

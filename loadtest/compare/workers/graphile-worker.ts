import { loadPeer } from "../load-peer.ts";
import type { GraphileWorkerModule } from "../peer-types.ts";

const { run } = await loadPeer<GraphileWorkerModule>("graphile-worker");
await run({
  connectionString: process.env["DATABASE_URL"] ?? "",
  // Tasks have no results.
  taskList: { echo: async () => {} },
  preset: {
    worker: {
      concurrentJobs: 24,
      maxPoolSize: 25,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
});
console.log("ready");

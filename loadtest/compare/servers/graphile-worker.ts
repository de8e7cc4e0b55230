import { loadPeer } from "../load-peer.ts";
import type { GraphileWorkerModule } from "../peer-types.ts";
import { serveFront } from "./front.ts";

const { makeWorkerUtils } = await loadPeer<GraphileWorkerModule>("graphile-worker");
const utils = await makeWorkerUtils({ connectionString: process.env["DATABASE_URL"] ?? "" });
await utils.migrate();

serveFront({
  enqueue: async ({ type, data }) => (await utils.addJob(type, data)).id,
  async enqueueMany(jobs) {
    const added = await utils.addJobs(
      jobs.map(({ type, data }) => ({ identifier: type, payload: data })),
    );
    return added.map(({ id }) => id);
  },
});

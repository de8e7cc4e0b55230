import { loadPeer } from "../load-peer.ts";
import type { BunqueueModule } from "../peer-types.ts";

const { Worker } = await loadPeer<BunqueueModule>("bunqueue/client");
const worker = new Worker("bench", async ({ data }) => ({ message: data.message }), {
  connection: { host: "127.0.0.1", port: Number(process.env["TCP_PORT"]) },
  concurrency: 100,
  batchSize: 100,
  pollTimeout: 5000,
});
// Keeps the worker referenced.
process.once("exit", () => void worker);
console.log("ready");

import { loadPeer } from "../load-peer.ts";
import type { PgBossModule } from "../peer-types.ts";

const { PgBoss } = await loadPeer<PgBossModule>("pg-boss");
const boss = new PgBoss({ connectionString: process.env["DATABASE_URL"] ?? "" });
boss.on("error", console.error);
await boss.start();
const options = { batchSize: 100, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 };
await boss.work("bench", options, async (jobs) => jobs.map(({ data }) => ({ ...data })));
console.log("ready");

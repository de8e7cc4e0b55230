import { loadPeer } from "../load-peer.ts";
import type { PgBossModule } from "../peer-types.ts";
import { serveFront } from "./front.ts";

const { PgBoss } = await loadPeer<PgBossModule>("pg-boss");
const boss = new PgBoss({ connectionString: process.env["DATABASE_URL"] ?? "" });
boss.on("error", console.error);
await boss.start();
await boss.createQueue("bench");

serveFront({
  enqueue: async ({ data }) => (await boss.send("bench", data)) ?? undefined,
  async enqueueMany(jobs) {
    const entries = jobs.map(({ data }) => ({ data }));
    return (await boss.insert("bench", entries, { returnId: true })) ?? [];
  },
});

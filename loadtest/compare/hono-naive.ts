import { Queue } from "bullmq";
import { Hono } from "hono";
import { Redis } from "ioredis";

const connection = new Redis(process.env["REDIS_URL"] ?? "redis://localhost:6379");
const queue = new Queue("hono", { connection });
const app = new Hono();

app.post("/v1/jobs", async (c) => {
  const { type, data } = await c.req.json<{ type: string; data: unknown }>();
  const job = await queue.add(type, data, {
    attempts: 3,
    backoff: { type: "exponential", delay: 1000 },
  });
  return c.json({ id: job.id }, 201);
});

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env["PORT"] ?? 3000),
  fetch: app.fetch,
});

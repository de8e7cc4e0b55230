import { Queue } from "bullmq";
import express from "express";
import { Redis } from "ioredis";

const connection = new Redis(process.env["REDIS_URL"] ?? "redis://localhost:6379");
const queue = new Queue("express", { connection });
const app = express();
app.use(express.json());

app.post("/v1/jobs", async (req, res) => {
  const { type, data } = req.body as { type: string; data: unknown };
  const job = await queue.add(type, data, {
    attempts: 3,
    backoff: { type: "exponential", delay: 1000 },
  });
  res.status(201).json({ id: job.id });
});

app.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1");

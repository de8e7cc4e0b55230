import { Queue } from "bullmq";
import express from "express";
import { Redis } from "ioredis";

import { createWait } from "./bullmq-wait.ts";

const { REDIS_URL = "", PORT } = process.env;
const queue = new Queue("express", { connection: new Redis(REDIS_URL) });
const waitForEnd = createWait("express", REDIS_URL);
const app = express();
app.use(express.json());

app.post("/v1/jobs", async (req, res) => {
  const { type, data } = req.body as { type: string; data: unknown };
  const job = await queue.add(type, data, {
    attempts: 3,
    backoff: { type: "exponential", delay: 1000 },
  });
  if (req.headers["prefer"] === undefined) {
    res.status(201).json({ id: job.id });
    return;
  }
  await waitForEnd(job);
  res.status(201).json({ id: job.id, status: "completed" });
});

app.listen(Number(PORT), "127.0.0.1");

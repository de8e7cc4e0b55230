import { join } from "node:path";

import { measureCpu } from "../measure.ts";
import type { Bench } from "../part.ts";
import type { Sample } from "../results.ts";
import { perJob } from "../rounds/load.ts";
import type { LoopReply, LoopRequest } from "./loop-process.ts";
import type { LoopName } from "./loops.ts";

/** More jobs than a take loop processes in a second. */
const takesPerSecond = 40_000;

export interface LoopRound {
  loop: LoopName;
  runtime: "bun" | "node";
  /** The role of the process in Toril. */
  role: "producer" | "consumer";
  stores: ("redis" | "postgres")[];
}

export async function runLoop(
  { stores, options, generator, root }: Bench,
  round: LoopRound,
): Promise<Sample> {
  const { loop, runtime, role } = round;
  await stores.sql`truncate jobs`;
  await stores.redis.flushall("SYNC");
  await stores.tidy();
  let next = Promise.withResolvers<LoopReply>();
  const child = Bun.spawn([join(root, "node_modules/.bin", runtime), loopProcess], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { PATH: process.env["PATH"], NODE_ENV: "production" },
    serialization: "json",
    ipc: (reply: LoopReply) => next.resolve(reply),
    onExit: (_, code) => next.reject(new Error(`the loop ended with exit code ${code}`)),
  });
  function ask(request: LoopRequest): Promise<LoopReply> {
    next = Promise.withResolvers();
    child.send(request);
    return next.promise;
  }

  try {
    const { redisUrl, databaseUrl } = stores;
    const { bodyBytes, seconds } = options;
    const backlog = seconds * takesPerSecond;
    await ask({ kind: "prepare", loop, backlog, redisUrl, databaseUrl, bodyBytes });
    const pids = {
      producer: role === "producer" ? [child.pid] : [],
      consumer: role === "consumer" ? [child.pid] : [],
      redis: round.stores.includes("redis") ? [stores.redisPid] : [],
      postgres: round.stores.includes("postgres") ? [stores.postgresPid] : [],
      generator: [generator.pid],
    };
    const [reply, use] = await measureCpu(pids, () => ask({ kind: "run", seconds }));
    if (reply.kind !== "done") {
      throw new Error(`loop ${loop}: ${reply.kind === "failed" ? reply.message : reply.kind}`);
    }
    const { jobs, seconds: duration } = reply;
    const cpuUs = perJob(use.cpuUs, jobs);
    return { jobs, seconds: duration, errors: 0, cpuUs, othersShare: use.othersShare };
  } finally {
    next.promise.catch(() => {});
    child.kill();
    await child.exited;
  }
}

const loopProcess = join(import.meta.dir, "loop-process.ts");

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { bullName, parseBullId } from "@toril/contract/engine/redis/names";
import { Worker } from "bullmq";
import { Redis } from "ioredis";
import { createPullWorker, type PullWorker } from "../_pull-worker.ts";
import type { Stack } from "../_stack.ts";
import { queues, types, type WorkerKind } from "./jobs.ts";

interface Data {
  isLong: boolean;
  failures: number;
  attempts: number;
}

const data = {
  type: "object",
  properties: {
    isLong: { type: "boolean" },
    failures: { type: "integer" },
    attempts: { type: "integer" },
  },
  required: ["isLong", "failures", "attempts"],
  additionalProperties: false,
};

/** The workers that are no part of the service. */
export interface Workers extends AsyncDisposable {
  pull: PullWorker;
  /** Ends the stock worker as kill -9 does, and starts another one. */
  restartStock(): Promise<void>;
  /** Ends the attempts of a job that a stock worker runs, which learns nothing of cancelled jobs. */
  endStock(id: string): void;
  /** Closes the circuit of the push endpoint, so that no step waits for the breaker. */
  resetPush(): Promise<void>;
}

/** Registers a type per kind of worker, and starts a push endpoint and a stock BullMQ worker. */
export async function startWorkers(stack: Stack): Promise<Workers> {
  await using opening = new AsyncDisposableStack();
  const { client } = stack;
  const register = (kind: WorkerKind, worker: object) =>
    client.putJobType(types[kind], { data, ...worker });
  const resetPush = async () => {
    const address = `/v1/job-types/${types.push}/endpoint/reset`;
    await fetch(new URL(address, stack.producers[0]!.url), { method: "POST" });
  };
  const push = opening.use(await startPushEndpoint(resetPush));
  await register("pull", { worker: "pull" });
  await register("stock", { worker: "bullmq" });
  await register("push", { worker: "push", push: { url: push.url, concurrency: 100 } });
  let stock = startStockWorker(stack.redis.url);
  opening.defer(() => stock[Symbol.asyncDispose]());
  const opened = opening.move();
  return {
    pull: createPullWorker(stack),
    endStock: (id) => stock.end(id),
    async restartStock() {
      await stock[Symbol.asyncDispose]();
      stock = startStockWorker(stack.redis.url);
    },
    resetPush,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** An endpoint that holds the requests of long jobs until the consumer closes the connection. */
async function startPushEndpoint(reset: () => Promise<void>) {
  let failing = Promise.resolve();
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      const job: { attempt: number; data: Data } = JSON.parse(text);
      if (job.data.isLong) return;
      if (job.attempt > job.data.failures) {
        response.writeHead(204).end();
        return;
      }
      if (job.attempt >= job.data.attempts) {
        response.writeHead(400, { "Toril-Retry": "no" }).end();
        return;
      }
      // One by one, so that the circuit stays closed.
      failing = failing
        .then(reset)
        .catch(() => {})
        .then(() => void response.writeHead(500).end());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function startStockWorker(redisUrl: string) {
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
  const running = new Map<string, Set<() => void>>();
  const worker = new Worker<Data>(
    bullName(queues.stock),
    async (job) => {
      const { isLong, failures } = job.data;
      if (isLong) {
        const id = parseBullId(job.id!)!.id;
        const { promise, resolve } = Promise.withResolvers<void>();
        running.set(id, (running.get(id) ?? new Set()).add(resolve));
        return promise;
      }
      if (job.attemptsMade < failures) throw new Error("failed as configured");
    },
    {
      connection,
      prefix: "bull",
      concurrency: 100,
      lockDuration: 2000,
      stalledInterval: 1000,
      maxStalledCount: 100,
    },
  );
  worker.on("error", () => {});
  return {
    end(id: string) {
      for (const resolve of running.get(id) ?? []) resolve();
      running.delete(id);
    },
    async [Symbol.asyncDispose]() {
      await worker.close(true);
      connection.disconnect();
    },
  };
}

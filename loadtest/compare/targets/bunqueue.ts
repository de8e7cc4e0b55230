import { join } from "node:path";

import { freePort } from "../../../ops/dev/processes/ports.ts";
import { type Requests, type RequestSize, torilRequests } from "../requests.ts";
import { startServerScript, startWorkerScript } from "./start-script.ts";
import type { Server, TargetContext, TargetDefinition } from "./target.ts";

interface JobRequest {
  type: string;
  data: unknown;
}

const requests: Requests = {
  post: (size) => ({
    path: "/queues/bench/jobs",
    body: JSON.stringify(toJob(torilRequests.post(size).body)),
    jobs: 1,
    expected: '"ok":true',
  }),
  bulk: (size: RequestSize) => {
    const job = toJob(torilRequests.post(size).body);
    return {
      path: "/queues/bench/jobs/bulk",
      body: JSON.stringify({ jobs: Array.from({ length: size.bulkJobs }, () => job) }),
      jobs: size.bulkJobs,
      expected: '"ok":true',
    };
  },
};

function toJob(body: string) {
  const { type, data } = JSON.parse(body) as JobRequest;
  return { name: type, data, durable: true };
}

const tcpPorts = new WeakMap<Server, number>();
let started = 0;

/** Its server has the HTTP API and the store, in one process. */
export const bunqueue: TargetDefinition = {
  title: "bunqueue",
  configuration:
    "its own server with HTTP API and SQLite file, every job `durable: true`; its Worker on Bun over TCP, 100 jobs at a time, batches of 100, `pollTimeout: 5000`. Its SQLite is part of the column `producer`; its limit of requests per minute is raised",
  peer: "bunqueue",
  usesRedis: false,
  usesPostgres: false,
  requests,
  hasConsumer: true,
  async startServer(context) {
    const [port, tcpPort] = [await freePort(), await freePort()];
    started += 1;
    const server = await startServerScript(
      context,
      {
        script: join(context.peersDir ?? "", "node_modules/bunqueue/dist/cli/index.js"),
        runtime: "bun",
        args: [
          ["start", "--host", "127.0.0.1"],
          ["--http-port", String(port), "--tcp-port", String(tcpPort)],
          ["--data-path", join(context.dir, `bunqueue-${started}.db`)],
        ].flat(),
        env: { RATE_LIMIT_MAX_REQUESTS: "1000000000" },
      },
      port,
    );
    tcpPorts.set(server, tcpPort);
    return server;
  },
  startConsumer: (context: TargetContext, [server]) =>
    startWorkerScript(context, {
      script: "workers/bunqueue.ts",
      runtime: "bun",
      env: { TCP_PORT: String(server && tcpPorts.get(server)) },
    }),
  createJobs(_stores, [server]) {
    const address = `http://127.0.0.1:${server?.port}/queues/bench`;
    async function readCounts() {
      const response = await fetch(`${address}/counts`);
      return ((await response.json()) as { counts: Record<string, number> }).counts;
    }
    const unfinished = ({ waiting = 0, prioritized = 0, active = 0, delayed = 0 }) =>
      waiting + prioritized + active + delayed;
    return {
      countUnfinished: async () => unfinished(await readCounts()),
      async count() {
        const counts = await readCounts();
        const settled = counts["completed"] ?? 0;
        return { accepted: settled + unfinished(counts) + (counts["failed"] ?? 0), settled };
      },
      async empty() {
        await fetch(`${address}/obliterate`, { method: "POST" });
      },
    };
  },
};

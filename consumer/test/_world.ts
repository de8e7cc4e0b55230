import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { bullId, bullName, jobKey, queueKeys } from "@toril/contract/engine/redis/names";
import {
  type DispatchOptions,
  toDispatchOptions,
} from "@toril/contract/engine/redis/scripts/options";
import { createDispatch, dispatchScriptUrl } from "@toril/contract/engine/redis/scripts/dispatch";
import { createNewJob, type NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import type { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { insertJobs } from "@toril/contract/engine/jobs/insert/insert-jobs";
import { createLogging } from "@toril/contract/engine/logging/logging";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { createTestLedger, testPrefix, testRedisUrl } from "../../contract/test/_stores.ts";
import { _until } from "../../contract/test/_until.ts";
import { loadConfig } from "../src/config.ts";
import { openConsumer } from "../src/consumer.ts";
import type { JobTypePlugin } from "../src/worker/plugin.ts";
import { shippedPlugin } from "../src/shipped-plugin.ts";
import type { Handler, Handlers } from "../src/worker/handler.ts";

export { _until };

const script = await Bun.file(dispatchScriptUrl).text();

export type _World = Awaited<ReturnType<typeof _openWorld>>;

/** Opens a ledger and a BullMQ prefix for one test file. */
export async function _openWorld(redisUrl = testRedisUrl) {
  await using opening = new AsyncDisposableStack();
  const { url, sql } = opening.use(await createTestLedger());
  const prefix = testPrefix();
  const redis = opening.adopt(new Redis(redisUrl), (client) => client.disconnect());
  opening.defer(() => clear(redis, prefix));
  const dispatch = createDispatch(redis, { prefix, script });
  const opened = opening.move();
  const getRow = async (id: string) => (await sql`select * from jobs where id = ${id}`)[0];

  return {
    databaseUrl: url,
    redisUrl,
    prefix,
    sql,
    redis,
    getRow,
    /** Waits for the row of an ended job. */
    waitForEnd: (id: string) =>
      _until(async () => {
        const row = await getRow(id);
        return row?.["status"] === "pending" ? undefined : row;
      }),
    queue: (name = "default") => new Queue(bullName(name), { connection: redis, prefix }),
    keys: (queue = "default") => queueKeys(prefix, queue),
    getHash: (id: string, queue = "default") => redis.hgetall(jobKey(prefix, queue, id)),
    /** Waits until Redis has no hash of the job. */
    waitUntilRemoved: (id: string, queue = "default") =>
      _until(async () => (await redis.exists(jobKey(prefix, queue, id))) === 0),
    async record(
      request: JobRequest,
      importId?: string,
      tenant = "default",
      keys?: KeyRing,
    ): Promise<NewJob> {
      const made = createNewJob(shippedRegistry, request, { tenant, importId }, keys);
      if (made.status !== "ok") throw new Error(made.kind);
      await insertJobs(sql, [made.job]);
      return made.job;
    },
    async dispatchJob(job: NewJob, changes: Partial<DispatchOptions> = {}, generation = 0) {
      const options = { ...toDispatchOptions(job, Date.now()), ...changes };
      const entry = {
        bullId: bullId(job.id, generation),
        type: job.type,
        data: job.data,
        options,
      };
      await dispatch(job.queue, [entry]);
    },
    /** Records and dispatches a job like a producer. */
    async accept(
      request: JobRequest,
      changes: Partial<DispatchOptions> = {},
      keys?: KeyRing,
    ): Promise<NewJob> {
      const job = await this.record(request, undefined, "default", keys);
      await this.dispatchJob(job, changes);
      return job;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function clear(redis: Redis, prefix: string) {
  for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: 1000 })) {
    if (keys.length > 0) await redis.del(keys);
  }
}

interface ConsumerChanges {
  env?: Record<string, string>;
  handlers?: Partial<Handlers<typeof shippedJobTypes>>;
  /** Other job types than those that Toril ships. */
  plugin?: JobTypePlugin;
  /** File contents, by path. */
  files?: Record<string, string>;
  log?: (line: Record<string, unknown>) => void;
}

/** The job types that Toril ships; `handlers` replace their handlers. */
function _shippedPlugin(handlers: ConsumerChanges["handlers"] = {}): JobTypePlugin {
  return {
    ...shippedPlugin,
    createHandlers: (services) =>
      new Map<string, Handler>([
        ...shippedPlugin.createHandlers(services),
        ...(Object.entries(handlers) as [string, Handler][]),
      ]),
  };
}

/** Starts the real consumer, with given handlers overriding its own. */
export async function _startConsumer(world: _World, changes: ConsumerChanges = {}) {
  const config = loadConfig(
    changes.plugin?.jobTypes ?? shippedRegistry,
    {
      REDIS_URL: world.redisUrl,
      DATABASE_URL: world.databaseUrl,
      BULL_PREFIX: world.prefix,
      WORKER_STALLED_INTERVAL_MS: "500",
      RECONCILE_GRACE_MS: "3600000",
      FEED_ALLOW_PRIVATE_ADDRESSES: "true",
      LOG_LEVEL: "debug",
      ...changes.env,
    },
    (path) => changes.files?.[path] ?? "",
  );
  const stdout = { write: (line: string) => changes.log?.(JSON.parse(line)) };
  const { log } = createLogging("consumer", config.log, { stdout, connect });
  const consumer = await openConsumer(
    config,
    { log },
    changes.plugin ?? _shippedPlugin(changes.handlers),
  );
  let closed: Promise<boolean> | undefined;
  const close = (deadline = AbortSignal.timeout(60_000)) => (closed ??= consumer.close(deadline));
  return {
    statusPort: consumer.statusPort,
    close,
    async [Symbol.asyncDispose]() {
      await close();
    },
  };
}

/** Waits until BullMQ has the job in that state; returns the job. */
export function _jobIn(queue: Queue, state: "delayed" | "failed", id: string) {
  return _until(async () =>
    (await queue.getJobState(id)) === state ? queue.getJob(id) : undefined,
  );
}

/** Creates a promise that a handler or an event resolves. */
export function _signal<Value = void>() {
  return Promise.withResolvers<Value>();
}

export async function _freePort() {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

/** Starts a TCP proxy that a test can disconnect (resets and refuses connections) or freeze (like a stopped process). */
export async function _startProxy(targetUrl: string) {
  const target = new URL(targetUrl);
  const sockets = new Set<Socket>();
  let isDisconnected = false;
  const server = createServer((client) => {
    if (isDisconnected) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(targetUrl);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    disconnect() {
      isDisconnected = true;
      for (const socket of sockets) socket.destroy();
    },
    reconnect() {
      isDisconnected = false;
    },
    freeze() {
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      for (const socket of sockets) socket.resume();
    },
    async [Symbol.asyncDispose]() {
      this.disconnect();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Deletes all rows of tables. `truncate` would lock several tables at once, and deadlock with a running consumer. */
export async function _emptyTables(
  sql: _World["sql"],
  ...tables: readonly string[]
): Promise<void> {
  for (const table of tables) await sql`delete from ${sql(table)}`;
}

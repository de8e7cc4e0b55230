import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient, type Client } from "@toril/client";
import { Redis } from "ioredis";
import postgres from "postgres";

import { migrateDatabase } from "../dev/stores/migrate-database.ts";
import { startPostgres } from "../dev/stores/postgres.ts";
import { type Program, startConsumer, startProducer } from "../dev/processes/start-app.ts";
import { startRedis, type Service } from "../dev/stores/redis.ts";
import { until } from "../dev/until.ts";
import { recordSettlements } from "./_ledger.ts";
import {
  startRestartable,
  stablePort,
  type RestartableProcess,
} from "../dev/processes/restartable.ts";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface App extends RestartableProcess {
  readonly name: string;
  readonly url: string;
}

export interface Store extends RestartableProcess {
  readonly url: string;
}

type Variables = Readonly<Record<string, string>>;

/** Directory with the programs of the images, which start in half the CPU time of the sources. */
const programs = process.env["TEST_PROGRAMS"];

/** Returns the bundled program, or undefined if the tests run without bundles. */
export function findBundled(command: "bun" | "node", script: string): Program | undefined {
  if (programs === undefined) return undefined;
  return { command: join(root, "node_modules/.bin", command), args: [join(programs, script)] };
}

const producerProgram = findBundled("bun", "producer/main.js");
const consumerProgram = findBundled("node", "consumer/main.js");

export interface Stack extends AsyncDisposable {
  readonly redis: Store;
  readonly postgres: Store;
  readonly producers: readonly App[];
  readonly consumers: readonly App[];
  /** Client of the first producer. */
  readonly client: Client;
  readonly sql: postgres.Sql;
  readonly redisClient: Redis;
  /** Variables of every process, merged with `more`. */
  readonly env: (more?: Variables) => Record<string, string>;
  /** @param more variables, or a function that returns those for the port */
  startProducer(more?: Variables | ((port: number) => Variables)): Promise<App>;
  startConsumer(more?: Variables): Promise<App>;
  /** Polls until `probe` returns a value; on timeout, the error contains the end of the logs. */
  until<T>(what: string, probe: () => Promise<T | undefined>, timeoutMs?: number): Promise<T>;
}

/** Shortens the recovery from 15-30 s to 1-2 s. */
const shortIntervals = {
  WORKER_LOCK_DURATION_MS: "2000",
  WORKER_STALLED_INTERVAL_MS: "1000",
  RECONCILE_INTERVAL_MS: "500",
  RECONCILE_GRACE_MS: "500",
};

/**
 * Tests kill processes, never the machine, so that what was written to a file stays. A killed Postgres leaves its shared
 * memory: in its directory, it is deleted with it.
 */
const testSettings = { fsync: "off", dynamic_shared_memory_type: "mmap" };

interface StackSettings {
  producers?: number;
  consumers?: number;
  env?: Variables;
  postgresSettings?: Variables;
}

/** Starts a private Redis, Postgres, producers and consumers on free ports. */
export async function startStack({
  producers: producerCount = 1,
  consumers: consumerCount = 1,
  env: overrides = {},
  postgresSettings = testSettings,
}: StackSettings = {}): Promise<Stack> {
  await using opening = new AsyncDisposableStack();
  let opened = opening;
  const dir = mkdtempSync(join(tmpdir(), "toril-stack-"));
  // Postgres may have to run as another user.
  chmodSync(dir, 0o711);
  opening.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));

  const redis = await openStore("redis", startRedis);
  const template = process.env["TEST_POSTGRES_TEMPLATE"];
  const database = await openStore("postgres", (service) =>
    startPostgres({ ...service, template, settings: postgresSettings }),
  );
  await migrateDatabase(database.url);
  const sql = postgres(database.url, { max: 4, onnotice: () => {} });
  opening.defer(() => sql.end({ timeout: 1 }));
  await recordSettlements(sql);
  const redisClient = new Redis(redis.url, { retryStrategy: () => 50 });
  redisClient.on("error", () => {});
  opening.defer(() => redisClient.disconnect());

  const producers: App[] = [];
  const consumers: App[] = [];
  const env = (more: Variables = {}) => ({
    PATH: process.env["PATH"] ?? "",
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    ...shortIntervals,
    ...overrides,
    ...more,
  });

  async function openStore(
    name: string,
    start: (service: { dir: string; port: number }) => Promise<Service>,
  ) {
    const port = await stablePort();
    let url = "";
    const store = await startRestartable(async () => {
      const service = await start({ dir: join(dir, name), port });
      url = service.url;
      return service.child;
    });
    return opening.use(Object.assign(store, { url }));
  }

  async function openApp(
    start: typeof startProducer,
    kind: "producer" | "consumer",
    list: App[],
    more: Variables | ((port: number) => Variables) = {},
  ) {
    const program = kind === "producer" ? producerProgram : consumerProgram;
    const port = await stablePort();
    const name = `${kind} on ${port}`;
    const logFile = join(dir, `${kind}-${port}.log`);
    const running = await startRestartable(() =>
      start({
        root,
        ...(program && { program }),
        name,
        port,
        env: env(typeof more === "function" ? more(port) : more),
        logFile,
      }),
    );
    const app = opened.use(Object.assign(running, { name, url: `http://127.0.0.1:${port}` }));
    list.push(app);
    return app;
  }

  const startMore = {
    startProducer: (more?: Variables | ((port: number) => Variables)) =>
      openApp(startProducer, "producer", producers, more),
    startConsumer: (more?: Variables) => openApp(startConsumer, "consumer", consumers, more),
  };
  const starting = [
    ...Array.from({ length: producerCount }, () => startMore.startProducer()),
    ...Array.from({ length: consumerCount }, () => startMore.startConsumer()),
  ];
  // Wait for all: none may start after the others are disposed.
  await Promise.allSettled(starting);
  await Promise.all(starting);

  opened = opening.move();
  return {
    redis,
    postgres: database,
    producers,
    consumers,
    client: createClient({ baseUrl: producers[0]?.url ?? "http://127.0.0.1:1", retry: false }),
    sql,
    redisClient,
    env,
    ...startMore,
    async until(what, probe, timeoutMs = 120_000) {
      try {
        return await until(what, probe, { timeoutMs });
      } catch (error) {
        const apps = [...producers, ...consumers];
        const logs = apps.map((app) => `${app.name}:\n${app.log().slice(-2000)}`);
        throw new Error([error, ...logs].map(String).join("\n"), { cause: error });
      }
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

import { join } from "node:path";

import type { Supervisor } from "../processes/supervisor.ts";
import { migrateDatabase } from "./migrate-database.ts";
import { startPostgres } from "./postgres.ts";
import { persistentArgs, startRedis, type Service } from "./redis.ts";

export interface Stores {
  redisUrl: string;
  databaseUrl: string;
}

export interface StoresSettings {
  dataDir: string;
  /** REDIS_URL and DATABASE_URL are the addresses of existing stores. */
  env: NodeJS.ProcessEnv;
  supervisor: Supervisor;
  opened: AsyncDisposableStack;
}

/** Starts Redis and Postgres unless their variables are set, and migrates the ledger. */
export async function openStores(settings: StoresSettings): Promise<Stores> {
  const { dataDir, env, supervisor } = settings;
  const { signal, onSpawn, logFile } = supervisor;

  const redisUrl = await open("redis", "REDIS_URL", () =>
    startRedis({
      dir: join(dataDir, "redis"),
      logFile: logFile("redis"),
      args: persistentArgs,
      onSpawn,
      signal,
    }),
  );
  const databaseUrl = await open("postgres", "DATABASE_URL", () =>
    startPostgres({
      dir: join(dataDir, "postgres"),
      logFile: logFile("postgres"),
      onSpawn,
      signal,
    }),
  );
  await migrateDatabase(databaseUrl);
  return { redisUrl, databaseUrl };

  async function open(name: string, variable: string, start: () => Promise<Service>) {
    const existing = env[variable];
    if (existing) {
      supervisor.print(`  ${name.padEnd(12)} ${variable}`);
      return existing;
    }
    const service = settings.opened.use(await start());
    supervisor.supervise(service.child, `127.0.0.1:${service.port}`, service.child.commandLine);
    return service.url;
  }
}

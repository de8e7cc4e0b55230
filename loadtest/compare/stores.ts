import { join } from "node:path";

import { SQL } from "bun";
import { Redis } from "ioredis";

import { migrateDatabase } from "../../ops/dev/stores/migrate-database.ts";
import { startPostgres } from "../../ops/dev/stores/postgres.ts";
import { persistentArgs, startRedis } from "../../ops/dev/stores/redis.ts";

export type AppendFsync = "everysec" | "always";

/** A private Redis and Postgres. */
export interface Stores extends AsyncDisposable {
  redisUrl: string;
  databaseUrl: string;
  redisPid: number;
  postgresPid: number;
  redis: Redis;
  sql: SQL;
  /** Makes rounds comparable: a checkpoint recycles WAL segments, and the AOF is rewritten. */
  tidy(): Promise<void>;
}

export interface PostgresSettings {
  /** Migrated cluster to copy; by default a new one is initialized. */
  template?: string | undefined;
  /** Parameters of the server. */
  settings?: Readonly<Record<string, string>>;
}

/** Starts a private Redis and Postgres, by default with the settings of `npm start`. */
export async function startStores(
  dir: string,
  appendFsync: AppendFsync,
  signal: AbortSignal,
  postgresSettings: PostgresSettings = {},
): Promise<Stores> {
  await using started = new AsyncDisposableStack();
  const redisServer = started.use(
    await startRedis({
      dir: join(dir, "redis"),
      args: [
        ...persistentArgs,
        "--appendfsync",
        appendFsync,
        // An AOF rewrite would affect some rounds only.
        "--auto-aof-rewrite-percentage",
        "0",
      ],
      signal,
    }),
  );
  const postgres = started.use(
    await startPostgres({ dir: join(dir, "postgres"), ...postgresSettings, signal }),
  );
  await migrateDatabase(postgres.url);
  const redis = started.adopt(new Redis(redisServer.url), (client) => client.disconnect());
  const sql = started.adopt(new SQL(postgres.url, { max: 1 }), (client) => client.close());
  const all = started.move();

  return {
    redisUrl: redisServer.url,
    databaseUrl: postgres.url,
    redisPid: redisServer.pid,
    postgresPid: postgres.pid,
    redis,
    sql,
    async tidy() {
      await sql`checkpoint`;
      await redis.bgrewriteaof();
      while (/aof_rewrite_(in_progress|scheduled):1/.test(await redis.info("persistence"))) {
        await Bun.sleep(10);
      }
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Client, createClient } from "@toril/client";
import { freePort } from "../../../dev/processes/ports.ts";
import { migrateDatabase } from "../../../dev/stores/migrate-database.ts";
import { startPostgres } from "../../../dev/stores/postgres.ts";
import { startRedis } from "../../../dev/stores/redis.ts";
import { startServices } from "../dev/services.ts";

export interface ServiceOptions {
  /** Further variables of the producer and the consumer: ops/configuration.md. */
  env?: Readonly<Record<string, string>>;
}

/** A service that runs a project on stores of its own. */
export interface TestService extends AsyncDisposable {
  readonly url: string;
  readonly client: Client;
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

/**
 * Starts Redis, Postgres, a producer and a consumer with the config file of a project, on free ports and with empty data.
 * Stops and deletes everything when it is disposed.
 * @param config `new URL("../toril.config.ts", import.meta.url)`
 */
export async function startService(
  config: URL,
  options: ServiceOptions = {},
): Promise<TestService> {
  await using opening = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "toril-service-"));
  opening.defer(() => rmSync(dir, { recursive: true, force: true }));
  // Postgres may have to run as another user.
  chmodSync(dir, 0o711);
  const configPath = fileURLToPath(config);
  const redis = opening.use(await startRedis({ dir: join(dir, "redis") }));
  const postgres = opening.use(await startPostgres({ dir: join(dir, "postgres") }));
  await migrateDatabase(postgres.url);
  const port = await freePort();
  opening.use(
    await startServices({
      directory: dirname(configPath),
      configPath,
      port,
      env: {
        ...process.env,
        REDIS_URL: redis.url,
        DATABASE_URL: postgres.url,
        ...options.env,
      },
      logFile: (name) => join(dir, `${name}.log`),
      signal: new AbortController().signal,
    }),
  );
  const url = `http://127.0.0.1:${port}`;
  const opened = opening.move();
  return {
    url,
    client: createClient({ baseUrl: url }),
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

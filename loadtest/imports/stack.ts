import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { startCaddy } from "../../ops/dev/processes/caddy.ts";
import { startConsumer, startProducer } from "../../ops/dev/processes/start-app.ts";
import {
  type RestartableProcess,
  stablePort,
  startRestartable,
} from "../../ops/dev/processes/restartable.ts";
import { type PostgresSettings, type Stores, startStores } from "../compare/stores.ts";

/** Producers behind Caddy, and consumers. */
export interface ImportStack extends AsyncDisposable {
  root: string;
  /** Folder for files of the run. */
  dir: string;
  /** Address of Caddy. */
  url: string;
  /** Addresses of the producers. */
  urls: string[];
  stores: Stores;
  producers: RestartableProcess[];
  consumers: RestartableProcess[];
  signal: AbortSignal;
}

export interface ImportStackSettings {
  root: string;
  dir: string;
  producers: number;
  consumers: number;
  signal: AbortSignal;
  postgresSettings?: PostgresSettings;
}

export async function startImportStack(settings: ImportStackSettings): Promise<ImportStack> {
  const { root, dir, signal } = settings;
  await using opening = new AsyncDisposableStack();
  const stores = opening.use(
    await startStores(join(dir, "stores"), "everysec", signal, settings.postgresSettings),
  );
  const logs = join(dir, "logs");
  mkdirSync(logs, { recursive: true });
  const env = {
    PATH: process.env["PATH"],
    REDIS_URL: stores.redisUrl,
    DATABASE_URL: stores.databaseUrl,
  };

  async function startApp(start: typeof startProducer, kind: string, number: number) {
    const name = `${kind} ${number}`;
    const port = await stablePort();
    const logFile = join(logs, `${kind}-${number}.log`);
    const app = await startRestartable(() => start({ root, name, port, env, logFile, signal }));
    return Object.assign(opening.use(app), { url: `http://127.0.0.1:${port}` });
  }

  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
  const starting = [
    ...numbers(settings.producers).map((number) => startApp(startProducer, "producer", number)),
    ...numbers(settings.consumers).map((number) => startApp(startConsumer, "consumer", number)),
  ];
  // Wait for all: none may start after the others are disposed.
  await Promise.allSettled(starting);
  const apps = await Promise.all(starting);
  const producers = apps.slice(0, settings.producers);
  const caddy = opening.use(await startCaddy(producers.map(({ url }) => url)));
  const opened = opening.move();
  return {
    root,
    dir,
    url: caddy.url,
    urls: producers.map(({ url }) => url),
    stores,
    producers,
    consumers: apps.slice(settings.producers),
    signal,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

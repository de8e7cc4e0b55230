import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import postgres from "postgres";

import {
  type RestartableProcess,
  startRestartable,
  stablePort,
} from "../dev/processes/restartable.ts";
import { startCaddy } from "../dev/processes/caddy.ts";
import { migrateDatabase } from "../dev/stores/migrate-database.ts";
import { startPostgres } from "../dev/stores/postgres.ts";
import { type Program, startConsumer, startProducer } from "../dev/processes/start-app.ts";
import { startProxy, type Proxy } from "./proxy.ts";
import { startTopology, type Topology, type TopologyName } from "./topology.ts";

/** A producer or consumer. */
export interface ChaosApp extends RestartableProcess {
  readonly name: string;
  /** Its own address, behind Caddy. */
  readonly url: string;
  /** Steps its wall clock by `ms` milliseconds. */
  stepClock(ms: number): void;
}

export interface ChaosStack extends AsyncDisposable {
  readonly topology: Topology;
  readonly proxy: Proxy;
  readonly postgres: RestartableProcess;
  readonly postgresProxyPort: number;
  readonly producers: readonly ChaosApp[];
  readonly consumers: readonly ChaosApp[];
  readonly caddy: RestartableProcess;
  /** Caddy's address: what clients call. */
  readonly url: string;
  /** Connects to Postgres directly, without the proxy. */
  readonly sql: postgres.Sql;
  /** Every process by its name. */
  readonly processes: ReadonlyMap<string, RestartableProcess>;
}

/** The programs of the stack, by default those of the sources. */
export interface Programs {
  producer: Program | undefined;
  consumer: Program | undefined;
}

export interface ChaosStackSettings {
  root: string;
  dir: string;
  topology: TopologyName;
  postgresTemplate?: string | undefined;
  programs?: Programs | undefined;
  /** Further variables of producers and consumers. */
  env: Readonly<Record<string, string>>;
}

/** Two producers behind Caddy, two consumers, and stores of their own; both stores are reached through a proxy. */
export async function startChaosStack(settings: ChaosStackSettings): Promise<ChaosStack> {
  const { root, dir } = settings;
  await using opening = new AsyncDisposableStack();
  // Postgres may have to run as another user.
  chmodSync(dir, 0o711);
  const proxy = opening.use(await startProxy(root, dir));
  const topologySettings = { root, dir, proxy };
  const topology = opening.use(await startTopology(settings.topology, topologySettings));

  const postgresPort = await stablePort();
  let databaseUrl = "";
  const database = opening.use(
    await startRestartable(async () => {
      const service = await startPostgres({
        dir: join(dir, "postgres"),
        port: postgresPort,
        template: settings.postgresTemplate,
      });
      databaseUrl = service.url;
      return service.child;
    }),
  );
  const postgresProxyPort = await proxy.open(postgresPort);
  await migrateDatabase(databaseUrl);
  const sql = postgres(databaseUrl, { max: 3, onnotice: () => {}, connect_timeout: 5 });
  opening.defer(() => sql.end({ timeout: 1 }));

  const throughProxy = new URL(databaseUrl);
  throughProxy.port = String(postgresProxyPort);
  const env = {
    PATH: process.env["PATH"] ?? "",
    DATABASE_URL: throughProxy.href,
    ...topology.env,
    ...settings.env,
  };

  async function startApp(start: typeof startProducer, kind: keyof Programs, number: number) {
    const name = `${kind} ${number}`;
    const port = await stablePort();
    const clockFile = join(dir, `${kind}-${number}.clock`);
    const preload = join(import.meta.dirname, "step-clock.ts");
    const logFile = join(dir, "logs", `${kind}-${number}.log`);
    const own = {
      ...env,
      CHAOS_CLOCK: clockFile,
      ...(kind === "producer"
        ? { BUN_OPTIONS: `--preload=${preload}` }
        : { NODE_OPTIONS: `--import=${preload}` }),
    };
    const program = settings.programs?.[kind];
    const app = await startRestartable(() =>
      start({ root, name, port, env: own, logFile, ...(program && { program }) }),
    );
    return opening.use(
      Object.assign(app, {
        name,
        url: `http://127.0.0.1:${port}`,
        stepClock: (ms: number) => writeFileSync(clockFile, String(ms)),
      }),
    );
  }

  mkdirSync(join(dir, "logs"), { recursive: true });
  const starting = [
    startApp(startProducer, "producer", 1),
    startApp(startProducer, "producer", 2),
    startApp(startConsumer, "consumer", 1),
    startApp(startConsumer, "consumer", 2),
  ];
  // Wait for all: none may start after the others are disposed.
  await Promise.allSettled(starting);
  const apps = await Promise.all(starting);
  const producers = apps.slice(0, 2);
  const consumers = apps.slice(2);
  const caddy = opening.use(await startCaddy(producers.map(({ url }) => url)));

  const processes = new Map<string, RestartableProcess>([
    ...apps.map((app): [string, RestartableProcess] => [app.name, app]),
    ["Caddy", caddy],
    ["Postgres", database],
    ...topology.servers.map(({ server }, index): [string, RestartableProcess] => [
      `Redis ${index + 1}`,
      server,
    ]),
    ...topology.sentinels.map((one, index): [string, RestartableProcess] => [
      `Sentinel ${index + 1}`,
      one,
    ]),
  ]);
  const opened = opening.move();
  return {
    topology,
    proxy,
    postgres: database,
    postgresProxyPort,
    producers,
    consumers,
    caddy,
    url: caddy.url,
    sql,
    processes,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

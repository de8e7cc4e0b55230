import { join, relative } from "node:path";
import type { Output } from "../../../dev/demo/progress.ts";
import { writeEnvFile } from "../../../dev/env-file.ts";
import { requireFreePorts } from "../../../dev/processes/ports.ts";
import { keepSecretKeys } from "../../../dev/secret-keys.ts";
import { lockDataDir } from "../../../dev/stores/data-lock.ts";
import { openStores } from "../../../dev/stores/stores.ts";
import { createSupervisor } from "../../../dev/processes/supervisor.ts";
import { UserError } from "../../../dev/user-error.ts";
import { formatLine } from "./format-line.ts";
import { type Services, startServices, type ServicesSettings } from "./services.ts";
import { watchFiles } from "./watch-files.ts";

export interface DevSettings {
  /** Folder of the project. */
  directory: string;
  configPath: string;
  port: number;
  /** Folder for data, logs and the file `env`. */
  dataDir: string;
  env: NodeJS.ProcessEnv;
  output: Output;
  /** Stops everything when it is aborted, with the reason. */
  stop: AbortController;
}

/**
 * Starts the stores, a producer and a consumer of a project, and restarts the last two when a file of the project
 * changes, until `stop` is aborted.
 */
export async function runDev(settings: DevSettings): Promise<never> {
  const { directory, configPath, port, dataDir, env, output, stop } = settings;
  const url = `http://127.0.0.1:${port}`;
  using lock = await lockDataDir(dataDir, url);
  await requireFreePorts(port, 1);
  const supervisor = createSupervisor({ dataDir, output, lock, stop, toleratesKill: false });
  const { signal, print } = supervisor;
  await using opened = new AsyncDisposableStack();
  print("Starting");
  const stores = await openStores({ dataDir, env, supervisor, opened });
  const variables = {
    REDIS_URL: stores.redisUrl,
    DATABASE_URL: stores.databaseUrl,
    ...keepSecretKeys(dataDir, env),
  };
  opened.use(writeEnvFile(join(dataDir, "env"), { ...variables, PORT: String(port) }));
  const watcher = opened.use(await watchFiles(directory, dataDir));
  const apps: ServicesSettings = {
    directory,
    configPath,
    port,
    env: { ...env, ...variables },
    logFile: supervisor.logFile,
    onSpawn: supervisor.onSpawn,
    signal,
    onLine: (name, line) => print(formatLine(name, line)),
  };
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });

  for (let count = 0; ; count++) {
    const changed = watcher.nextChange();
    await using services = await start();
    if (services !== undefined) print(count === 0 ? welcomeText(url, dataDir) : `Ready: ${url}`);
    const failed = services?.failed.then(async (text) => {
      print(`${text}. Waiting for a change of the project's files ...`);
      return changed;
    });
    const path = await Promise.race([failed ?? changed, changed, aborted]);
    print(`\n${relative(directory, path)} changed. Restarting ...`);
  }

  /** Returns undefined if the project cannot be started: the next change may correct it. */
  async function start(): Promise<Services | undefined> {
    try {
      return await startServices(apps);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof UserError)) throw error;
      print(
        `${error.message.split("; its log")[0]}\nWaiting for a change of the project's files ...`,
      );
      return undefined;
    }
  }
}

function welcomeText(url: string, dataDir: string): string {
  return `
Toril is ready, and restarts when a file of the project changes.
  API         ${url}
  console     ${url}/console
  API docs    ${url}/docs
  dashboard   ${url}/admin/queues
  metrics     ${url}/metrics
Data and logs are in ${dataDir}, the addresses of Redis and Postgres in ${join(dataDir, "env")}.
Ctrl-C stops everything and keeps the data.`;
}

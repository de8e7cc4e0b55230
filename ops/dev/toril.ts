import { join } from "node:path";

import { confirmDatabase } from "./stores/confirm-database.ts";
import { openConsumers, openProducers } from "./apps.ts";
import type { Child } from "./processes/child.ts";
import { runDemo } from "./demo/demo.ts";
import { writeEnvFile } from "./env-file.ts";
import { createSupervisor } from "./processes/supervisor.ts";
import { requireFreePorts } from "./processes/ports.ts";
import type { Output } from "./demo/progress.ts";
import { UserError } from "./user-error.ts";
import { lockDataDir } from "./stores/data-lock.ts";
import { keepSecretKeys } from "./secret-keys.ts";
import type { StartOptions } from "./start-options.ts";
import { openStores } from "./stores/stores.ts";

export interface TorilSettings {
  root: string;
  options: StartOptions;
  env: NodeJS.ProcessEnv;
  output: Output;
  /** Stops everything when it is aborted, with the reason. */
  stop: AbortController;
  /** Kills the processes when it is aborted, without waiting for active jobs. */
  killSignal: AbortSignal;
}

/** Starts everything, runs the demo, and stops in reverse order when `stop` is aborted. */
export async function runToril(settings: TorilSettings): Promise<void> {
  const { root, options, env, output, stop, killSignal } = settings;
  const { dataDir, port } = options;
  const url = `http://127.0.0.1:${port}`;
  using lock = await lockDataDir(dataDir, url);
  await requireFreePorts(port, options.producers);

  const toleratesKill = !options.once;
  const supervisor = createSupervisor({ dataDir, output, lock, stop, toleratesKill });
  const { signal, print } = supervisor;
  await using opened = new AsyncDisposableStack();
  if (env["DATABASE_URL"] && !options.yes) {
    await confirmDatabase({ databaseUrl: env["DATABASE_URL"], demo: options.demo, signal });
  }
  print("Starting");
  const stores = await openStores({ dataDir, env, supervisor, opened });
  const envFile = join(dataDir, "env");
  const secretKeys = keepSecretKeys(dataDir, env);
  const appEnv = { ...env, ...secretKeys };
  const apps = { root, env: appEnv, stores, envFile, supervisor, opened, killSignal };
  const producers = await openProducers(apps, options.producers, port);
  const consumers = await openConsumers(apps, options.consumers);
  const { redisUrl: REDIS_URL, databaseUrl: DATABASE_URL } = stores;
  const PRODUCER_PIDS = pids(producers);
  const CONSUMER_PIDS = pids(consumers);
  const PORT = String(port);
  opened.use(
    writeEnvFile(envFile, {
      REDIS_URL,
      DATABASE_URL,
      PORT,
      PRODUCER_PIDS,
      CONSUMER_PIDS,
      ...secretKeys,
    }),
  );

  if (options.demo) {
    const failure = await runDemoOrExplain({
      url,
      databaseUrl: DATABASE_URL,
      file: options.importFile,
      output,
      signal,
    });
    if (options.once && failure) throw new UserError(failure);
    if (failure) print(failure);
  }
  if (options.once) return;
  print(welcomeText(url, dataDir));
  await rejectOnAbort(signal);
}

async function runDemoOrExplain(demo: Parameters<typeof runDemo>[0]): Promise<string | undefined> {
  try {
    const differences = await runDemo(demo);
    if (differences.length === 0) return undefined;
    return `The counts differ:\n  ${differences.join("\n  ")}`;
  } catch (error) {
    demo.signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    return `The import did not finish: ${reason}`;
  }
}

function pids(children: readonly Child[]): string {
  return children.map(({ pid }) => pid).join(" ");
}

function welcomeText(url: string, dataDir: string): string {
  return `
Toril is ready. Open
  console     ${url}/console
  API docs    ${url}/docs
  dashboard   ${url}/admin/queues
  metrics     ${url}/metrics
or send a job
  curl ${url}/v1/jobs -H 'content-type: application/json' -d '{"type":"echo","data":{"message":"hello"}}'
Data and logs are in ${dataDir}, the addresses of Redis and Postgres in ${join(dataDir, "env")}.
Ctrl-C stops everything and keeps the data.`;
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

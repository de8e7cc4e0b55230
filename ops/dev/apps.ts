import type { Child } from "./processes/child.ts";
import type { Supervisor } from "./processes/supervisor.ts";
import { freePort } from "./processes/ports.ts";
import { startConsumer, startProducer } from "./processes/start-app.ts";
import type { Stores } from "./stores/stores.ts";

export interface AppsSettings {
  root: string;
  env: NodeJS.ProcessEnv;
  stores: Stores;
  envFile: string;
  supervisor: Supervisor;
  opened: AsyncDisposableStack;
  /** Kills the processes when it is aborted, without waiting for active jobs. */
  killSignal: AbortSignal;
}

/** Starts producers on consecutive ports. */
export async function openProducers(
  settings: AppsSettings,
  count: number,
  firstPort: number,
): Promise<Child[]> {
  const producers = createGroup(settings, "producer");
  for (let index = 0; index < count; index++) {
    const port = firstPort + index;
    const child = await startProducer({ ...appSettings(settings, `producer ${index + 1}`), port });
    producers.add(child, `http://127.0.0.1:${port}`, `PORT=${port} npm run producer`);
  }
  return producers.children;
}

export async function openConsumers(settings: AppsSettings, count: number): Promise<Child[]> {
  const consumers = createGroup(settings, "consumer");
  for (let index = 0; index < count; index++) {
    const port = await freePort();
    const child = await startConsumer({ ...appSettings(settings, `consumer ${index + 1}`), port });
    consumers.add(child, `http://127.0.0.1:${port}/metrics`, "npm run consumer");
  }
  return consumers.children;
}

function appSettings({ root, env, stores, supervisor }: AppsSettings, name: string) {
  const { onSpawn, signal } = supervisor;
  return {
    root,
    name,
    env: { ...env, REDIS_URL: stores.redisUrl, DATABASE_URL: stores.databaseUrl },
    logFile: supervisor.logFile(name),
    onSpawn,
    signal,
  };
}

/** Processes that are stopped together. */
function createGroup({ supervisor, opened, envFile, killSignal }: AppsSettings, name: string) {
  const children: Child[] = [];
  opened.defer(async () => {
    supervisor.print(`Stopping ${children.length} ${name}${children.length === 1 ? "" : "s"} ...`);
    const killAll = () => void Promise.all(children.map((child) => child.stop({ atOnce: true })));
    killSignal.addEventListener("abort", killAll);
    if (killSignal.aborted) killAll();
    await Promise.all(children.map((child) => child.stop()));
    killSignal.removeEventListener("abort", killAll);
  });
  return {
    children,
    add(child: Child, address: string, again: string) {
      children.push(child);
      supervisor.supervise(child, address, `(set -a; . ${envFile}; ${again})`);
    },
  };
}

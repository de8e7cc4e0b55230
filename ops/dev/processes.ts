import { join } from "node:path";

import { startChild, type Child, type OnSpawn } from "./child.ts";

export interface AppSettings {
  root: string;
  name: string;
  port: number;
  env: NodeJS.ProcessEnv;
  logFile: string;
  onSpawn?: OnSpawn | undefined;
  signal?: AbortSignal | undefined;
}

/** As in the images and units: otherwise Bun sizes its heap by the memory of the machine. */
const heapSettings = { BUN_JSC_forceRAMSize: "268435456" };

/** Starts a producer on `port` and waits until it is ready. */
export function startProducer(settings: AppSettings): Promise<Child> {
  const { root, port } = settings;
  return startApp(settings, join(root, "node_modules/.bin/bun"), "producer/src/main.ts", {
    PORT: String(port),
    METRICS_PORT: "",
    ...heapSettings,
  });
}

/** Starts a consumer and waits until it is ready; `port` serves its metrics. */
export function startConsumer(settings: AppSettings): Promise<Child> {
  const { root, port } = settings;
  return startApp(settings, join(root, "node_modules/.bin/node"), "consumer/src/main.ts", {
    METRICS_PORT: String(port),
    // Halves the CPU time of a start, which compiles 500 modules.
    NODE_COMPILE_CACHE: join(root, "node_modules/.cache/node"),
  });
}

async function startApp(
  { root, name, port, env, logFile, onSpawn, signal }: AppSettings,
  command: string,
  script: string,
  own: NodeJS.ProcessEnv,
): Promise<Child> {
  const child = await startChild({
    name,
    command,
    args: [script],
    cwd: root,
    env: { ...env, ...own, HOST: "127.0.0.1" },
    logFile,
    stopMs: 40_000,
    onSpawn,
  });
  const address = `http://127.0.0.1:${port}/readyz`;
  await child.ready(() => answers(address), { timeoutMs: 60_000, signal });
  return child;
}

async function answers(address: string): Promise<true | undefined> {
  const response = await fetch(address, { signal: AbortSignal.timeout(5_000) });
  if (response.ok) return true;
  throw new Error(`${address} answers ${response.status}: ${await response.text()}`);
}

import { join } from "node:path";

import { startChild, type Child, type OnSpawn } from "./child.ts";

/** A program that is run in the root, with its arguments. */
export interface Program {
  command: string;
  args: readonly string[];
}

export interface AppSettings {
  root: string;
  /** By default that of the repository. */
  program?: Program;
  name: string;
  port: number;
  env: NodeJS.ProcessEnv;
  logFile: string;
  onSpawn?: OnSpawn | undefined;
  signal?: AbortSignal | undefined;
}

/** As in the images and units: otherwise Bun sizes its heap by the memory of the machine. */
const heapSettings = { BUN_JSC_forceRAMSize: "268435456" };

/** As in the units: with the default of 16 MB an idle consumer takes 28 MB more. */
const consumerFlags = ["--max-semi-space-size=4"];

/** Starts a producer on `port` and waits until it is ready. */
export function startProducer(settings: AppSettings): Promise<Child> {
  const { root, port } = settings;
  const own = { command: join(root, "node_modules/.bin/bun"), args: ["producer/src/main.ts"] };
  return startApp(settings, own, {
    PORT: String(port),
    METRICS_PORT: "",
    ...heapSettings,
  });
}

/** Starts a consumer and waits until it is ready; `port` serves its metrics. */
export function startConsumer(settings: AppSettings): Promise<Child> {
  const { root, port } = settings;
  const own = {
    command: join(root, "node_modules/.bin/node"),
    args: [...consumerFlags, "consumer/src/main.ts"],
  };
  return startApp(settings, own, {
    METRICS_PORT: String(port),
    // Halves the CPU time of a start, which compiles 500 modules.
    NODE_COMPILE_CACHE: join(root, "node_modules/.cache/node"),
  });
}

async function startApp(
  { root, program, name, port, env, logFile, onSpawn, signal }: AppSettings,
  ownProgram: Program,
  variables: NodeJS.ProcessEnv,
): Promise<Child> {
  const { command, args } = program ?? ownProgram;
  const child = await startChild({
    name,
    command,
    args,
    cwd: root,
    env: { ...env, ...variables, HOST: "127.0.0.1" },
    logFile,
    stopMs: 40_000,
    onSpawn,
  });
  const address = `http://127.0.0.1:${port}/readyz`;
  // A process that fails ends at once: this limit is for slow machines.
  await child.ready(() => answers(address), { timeoutMs: 120_000, signal });
  return child;
}

async function answers(address: string): Promise<true | undefined> {
  const response = await fetch(address, { signal: AbortSignal.timeout(5_000) });
  if (response.ok) return true;
  throw new Error(`${address} answers ${response.status}: ${await response.text()}`);
}

import { join } from "node:path";

import { type Child, startChild } from "../../../ops/dev/processes/child.ts";
import { freePort } from "../../../ops/dev/processes/ports.ts";
import type { Server, TargetContext } from "./target.ts";

export interface ScriptSettings {
  /** Path below loadtest/compare, or an absolute path. */
  script: string;
  runtime: "bun" | "node";
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
}

let started = 0;

/** Starts a script that serves HTTP on PORT, and waits until it answers. */
export async function startServerScript(
  context: TargetContext,
  settings: ScriptSettings,
  port?: number,
): Promise<Server> {
  const ownPort = port ?? (await freePort());
  const env = { ...settings.env, PORT: String(ownPort) };
  const child = await start(context, { ...settings, env });
  const probe = async () => (await fetch(`http://127.0.0.1:${ownPort}/`)).status;
  await child.ready(probe, { timeoutMs: 30_000, signal: context.signal });
  return { child, port: ownPort };
}

/** Starts a script that prints `ready`, and waits for it. */
export async function startWorkerScript(
  context: TargetContext,
  settings: ScriptSettings,
): Promise<Child> {
  const child = await start(context, settings);
  const probe = async () => child.logTail().includes("ready") || undefined;
  await child.ready(probe, { timeoutMs: 30_000, signal: context.signal, everyMs: 5 });
  return child;
}

function start(context: TargetContext, { script, runtime, args = [], env }: ScriptSettings) {
  const { root, dir, stores, peersDir } = context;
  started += 1;
  return startChild({
    name: script,
    command: join(root, "node_modules/.bin", runtime),
    args: [script.startsWith("/") ? script : `loadtest/compare/${script}`, ...args],
    cwd: root,
    env: {
      ...baseEnv(),
      REDIS_URL: stores.redisUrl,
      DATABASE_URL: stores.databaseUrl,
      ...(peersDir === undefined ? {} : { PEERS_DIR: peersDir }),
      ...env,
    },
    logFile: join(dir, `${started}-${script.replaceAll(/[^\w.-]/g, "-").slice(-40)}.log`),
    stopMs: 5_000,
  });
}

export function baseEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], NODE_ENV: "production" };
}

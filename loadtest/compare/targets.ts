import { join } from "node:path";

import { type Child, startChild } from "../../ops/dev/child.ts";
import { freePort } from "../../ops/dev/ports.ts";
import { startProducer } from "../../ops/dev/processes.ts";
import type { Stores } from "./stores.ts";

export const targetNames = ["toril", "hono", "express"] as const;
export type TargetName = (typeof targetNames)[number];

export interface Target extends AsyncDisposable {
  name: TargetName;
  title: string;
  port: number;
  pid: number;
  /** Key of the list of waiting jobs. */
  waitKey: string;
  hasLedger: boolean;
}

type Definition = Pick<Target, "title" | "waitKey" | "hasLedger"> & {
  start(port: number, context: TargetContext): Promise<Child>;
};

export interface TargetContext {
  root: string;
  dir: string;
  stores: Stores;
  signal: AbortSignal;
}

const definitions: Record<TargetName, Definition> = {
  toril: {
    title: "Toril (Bun, ledger)",
    waitKey: "toril:{default}:wait",
    hasLedger: true,
    start: (port, { root, dir, stores, signal }) =>
      startProducer({
        root,
        name: "toril",
        port,
        env: {
          ...baseEnv(),
          REDIS_URL: stores.redisUrl,
          DATABASE_URL: stores.databaseUrl,
          BULL_PREFIX: "toril",
        },
        logFile: join(dir, "toril.log"),
        signal,
      }),
  },
  hono: {
    title: "Hono + queue.add (Bun)",
    waitKey: "bull:hono:wait",
    hasLedger: false,
    start: (port, context) => startNaive("hono", "bun", port, context),
  },
  express: {
    title: "Express + queue.add (Node)",
    waitKey: "bull:express:wait",
    hasLedger: false,
    start: (port, context) => startNaive("express", "node", port, context),
  },
};

export async function startTarget(name: TargetName, context: TargetContext): Promise<Target> {
  const { start, ...definition } = definitions[name];
  const port = await freePort();
  const child = await start(port, context);
  return {
    ...definition,
    name,
    port,
    pid: child.pid,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

async function startNaive(
  name: string,
  runtime: "bun" | "node",
  port: number,
  { root, dir, stores, signal }: TargetContext,
): Promise<Child> {
  const child = await startChild({
    name,
    command: join(root, "node_modules/.bin", runtime),
    args: [`loadtest/compare/${name}-naive.ts`],
    cwd: root,
    env: { ...baseEnv(), REDIS_URL: stores.redisUrl, PORT: String(port) },
    logFile: join(dir, `${name}.log`),
    stopMs: 2_000,
  });
  await child.ready(async () => (await fetch(`http://127.0.0.1:${port}/`)).status, {
    timeoutMs: 10_000,
    signal,
  });
  return child;
}

function baseEnv() {
  return { PATH: process.env["PATH"], NODE_ENV: "production" };
}

import { mkdirSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";

import { startChild, type Child, type OnSpawn } from "./child.ts";
import { freePort } from "./ports.ts";
import { findRedisServer } from "./redis-server.ts";

export interface Service extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly child: Child;
  stop(): Promise<void>;
}

export interface RedisSettings {
  dir: string;
  port?: number;
  logFile?: string;
  /** Further options of redis-server; the last of two that contradict each other counts. */
  args?: readonly string[];
  onSpawn?: OnSpawn | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Data is kept in `dir`, at the risk of one second when the operating system crashes. Hashes of jobs stay compact, which
 * saves a third of their memory; the option has a newer name, which Redis 6 does not know.
 */
export const persistentArgs = [
  ["--appendonly", "yes"],
  ["--appendfsync", "everysec"],
  ["--hash-max-ziplist-value", "1024"],
].flat();

/** A Redis of our own on loopback, which keeps nothing unless `args` say so. */
export async function startRedis(settings: RedisSettings): Promise<Service> {
  const { dir, args = [], signal } = settings;
  mkdirSync(dir, { recursive: true });
  const server = findRedisServer();
  const port = settings.port ?? (await freePort());
  const { command, args: prefix, host } = server.command(port, dir);
  const child = await startChild({
    name: "redis",
    command,
    args: [
      prefix,
      ["--port", String(port), host].flat(),
      ["--save", "", "--appendonly", "no"],
      // Delayed jobs of an idle queue start up to 1/hz late.
      ["--hz", "100", "--maxmemory-policy", "noeviction"],
      args,
    ].flat(),
    logFile: settings.logFile ?? join(dir, "redis.log"),
    stopMs: 10_000,
    onSpawn: settings.onSpawn,
  });
  // Docker may have to fetch the image first.
  await child.ready(() => ping(port), { timeoutMs: 120_000, everyMs: 20, signal });
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    child,
    async stop() {
      await child.stop();
    },
    async [Symbol.asyncDispose]() {
      await child.stop();
    },
  };
}

/** True when it answers and has read its files; undefined while it still loads them. */
function ping(port: number): Promise<true | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: "127.0.0.1", port }, () => socket.write("PING\r\n"));
    socket.setTimeout(2_000, () => socket.destroy(new Error("no answer to PING")));
    socket.once("error", reject);
    socket.once("close", () => resolve(undefined));
    socket.once("data", (answer) => {
      resolve(String(answer).startsWith("+PONG") || undefined);
      socket.destroy();
    });
  });
}

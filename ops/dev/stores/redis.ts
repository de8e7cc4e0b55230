import { mkdirSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";

import { startChild, type Child, type OnSpawn } from "../processes/child.ts";
import { freePort } from "../processes/ports.ts";
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
  /** Further options of redis-server; later options override earlier ones. */
  args?: readonly string[];
  onSpawn?: OnSpawn | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Persists data with appendfsync everysec. Job hashes use the compact encoding, which saves a third of their memory; the
 * newer name of this option is unknown to Redis 6.
 */
export const persistentArgs = [
  ["--appendonly", "yes"],
  ["--appendfsync", "everysec"],
  ["--hash-max-ziplist-value", "1024"],
].flat();

/** Starts a private Redis on loopback, without persistence unless `args` turn it on. */
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
      // Delayed jobs in an idle queue start up to 1/hz late.
      ["--hz", "100", "--maxmemory-policy", "noeviction"],
      args,
    ].flat(),
    logFile: settings.logFile ?? join(dir, "redis.log"),
    stopMs: 10_000,
    onSpawn: settings.onSpawn,
  });
  // Docker may have to pull the image first.
  await child.ready(() => ping(port), { timeoutMs: 120_000, everyMs: 20, signal });
  return toService(child, { url: `redis://127.0.0.1:${port}`, port });
}

export function toService(child: Child, address: Pick<Service, "url" | "port">): Service {
  const stop = async () => void (await child.stop());
  return { ...address, pid: child.pid, child, stop, [Symbol.asyncDispose]: stop };
}

/** Returns true if Redis responds, undefined while it loads its data. */
function ping(port: number): Promise<true | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: "127.0.0.1", port }, () => socket.write("PING\r\n"));
    socket.setTimeout(2_000, () => socket.destroy(new Error("no response to PING")));
    socket.once("error", reject);
    socket.once("close", () => resolve(undefined));
    socket.once("data", (answer) => {
      resolve(String(answer).startsWith("+PONG") || undefined);
      socket.destroy();
    });
  });
}

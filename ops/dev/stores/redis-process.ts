import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";

import { startChild } from "../processes/child.ts";
import { findRedisServer } from "./redis-server.ts";
import {
  extendProcess,
  type RestartableProcess,
  stablePort,
  startRestartable,
} from "../processes/restartable.ts";

export interface RedisProcess extends RestartableProcess {
  readonly dir: string;
  readonly port: number;
  /** Reconnects automatically. */
  readonly client: Redis;
  /** Returns how often the AOF was repaired before a start. */
  countAofRepairs(): number;
}

export interface RedisProcessSettings {
  /** Data directory of this server only. */
  dir: string;
  /** By default a free port. */
  port?: number;
  config?: string;
  /** Command that runs the server, for example strace. */
  wrapper?: readonly string[];
  args?: readonly string[];
  /** Repairs an AOF that Redis refuses to load, as ops/redis/README.md tells operators to. */
  repairsAof?: boolean;
  /** Credentials of the client. */
  credentials?: Pick<RedisOptions, "username" | "password">;
}

/** Starts a private redis-server with the given configuration file and arguments. */
export async function startRedisProcess(settings: RedisProcessSettings): Promise<RedisProcess> {
  const { dir, config, wrapper = [], args = [], credentials = {}, repairsAof = false } = settings;
  await using opening = new AsyncDisposableStack();
  mkdirSync(dir, { recursive: true });
  const port = settings.port ?? (await stablePort());
  const { command, args: before, host } = findRedisServer().command(port, dir);
  const connect = () => {
    const redis = new Redis({ port, retryStrategy: () => 50, ...credentials });
    redis.on("error", () => {});
    return redis;
  };
  let aofRepairs = 0;
  const start = async () => {
    const child = await startChild({
      name: "redis",
      command: wrapper[0] ?? command,
      args: [
        [wrapper.slice(1), wrapper.length > 0 ? command : []],
        [before, config ?? [], "--port", String(port), host, args],
      ].flat(3),
      logFile: join(dir, "redis.log"),
      stopMs: 10_000,
    });
    using probe = new DisposableStack();
    const first = probe.adopt(connect(), (redis) => redis.disconnect());
    await child.ready(() => first.ping(), { timeoutMs: 30_000, everyMs: 20 });
    return child;
  };
  const server = opening.use(
    await startRestartable(async () => {
      try {
        return await start();
      } catch (error) {
        if (!repairsAof || !isRefusedAof(error)) throw error;
        repairAof(dir);
        aofRepairs += 1;
        return start();
      }
    }),
  );
  const client = opening.adopt(connect(), (redis) => redis.disconnect());
  const opened = opening.move();
  return extendProcess(server, { dir, port, client, countAofRepairs: () => aofRepairs }, opened);
}

function isRefusedAof(error: unknown): boolean {
  return error instanceof Error && error.message.includes("reading the append only file");
}

function repairAof(dir: string): void {
  const manifest = join(dir, "appendonlydir", "appendonly.aof.manifest");
  const { status, stdout } = spawnSync("redis-check-aof", ["--fix", manifest], { input: "y\n" });
  if (status !== 0) throw new Error(`redis-check-aof --fix ${manifest} failed: ${String(stdout)}`);
}

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";

import { startChild } from "./child.ts";
import { findRedisServer } from "./redis-server.ts";
import { breakable, stablePort, type Breakable } from "./breakable.ts";

export interface RedisProcess extends Breakable {
  readonly dir: string;
  readonly port: number;
  /** Connected, again and again when it has to be. */
  readonly client: Redis;
}

export interface RedisProcessSettings {
  /** For its data, one of its own. */
  dir: string;
  /** A free one by default. */
  port?: number;
  config?: string;
  /** A program that runs it. */
  under?: readonly string[];
  args?: readonly string[];
  /** How a client gets in. */
  access?: Pick<RedisOptions, "username" | "password">;
}

/** A redis-server of the test's own, which is what its file and arguments make it. */
export async function startRedisProcess(settings: RedisProcessSettings): Promise<RedisProcess> {
  const { dir, config, under = [], args = [], access = {} } = settings;
  await using opening = new AsyncDisposableStack();
  mkdirSync(dir, { recursive: true });
  const port = settings.port ?? (await stablePort());
  const { command, args: before, host } = findRedisServer().at(port, dir);
  const connect = () => {
    const redis = new Redis({ port, retryStrategy: () => 50, ...access });
    redis.on("error", () => {});
    return redis;
  };
  const server = opening.use(
    await breakable(async () => {
      const child = await startChild({
        name: "redis",
        command: under[0] ?? command,
        args: [
          [under.slice(1), under.length > 0 ? command : []],
          [before, config ?? [], "--port", String(port), host, args],
        ].flat(3),
        logFile: join(dir, "redis.log"),
        stopMs: 10_000,
      });
      using probe = new DisposableStack();
      const first = probe.adopt(connect(), (redis) => redis.disconnect());
      await child.ready(() => first.ping(), { timeoutMs: 30_000, everyMs: 20 });
      return child;
    }),
  );
  const client = opening.adopt(connect(), (redis) => redis.disconnect());
  const opened = opening.move();
  return {
    dir,
    port,
    client,
    get pid() {
      return server.pid;
    },
    get exited() {
      return server.exited;
    },
    get isDown() {
      return server.isDown;
    },
    kill: server.kill,
    restart: server.restart,
    log: server.log,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

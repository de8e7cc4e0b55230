import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type RestartableProcess, stablePort } from "../dev/processes/restartable.ts";
import { startCluster, startSentinels } from "../dev/stores/redis-fleet.ts";
import { type RedisProcess, startRedisProcess } from "../dev/stores/redis-process.ts";
import type { Proxy } from "./proxy.ts";

export const topologyNames = ["single", "sentinel", "cluster"] as const;
export type TopologyName = (typeof topologyNames)[number];

/** A Redis server that holds data, and its port on the proxy. */
export interface DataServer {
  server: RedisProcess;
  proxyPort: number;
}

/** A small file system that a file can fill. */
export interface SmallDisk extends Disposable {
  fill(): void;
  free(): void;
}

export interface Topology extends AsyncDisposable {
  readonly name: TopologyName;
  /** Variables of producers and consumers. */
  readonly env: Readonly<Record<string, string>>;
  readonly servers: readonly DataServer[];
  readonly sentinels: readonly RestartableProcess[];
  /** The disk of a single server, or the reason why there is none. */
  readonly disk: SmallDisk | string;
  /** True when all servers are up and every master that should have a replica has one. */
  isHealthy(): Promise<true | undefined>;
}

export interface TopologySettings {
  root: string;
  dir: string;
  proxy: Proxy;
}

/** As in ops/redis/balanced.conf: a restarted server loads its data. */
const persistenceArgs = [
  "--appendonly",
  "yes",
  "--appendfsync",
  "everysec",
  "--save",
  "",
  "--hz",
  "100",
];

export function startTopology(name: TopologyName, settings: TopologySettings): Promise<Topology> {
  if (name === "single") return startSingle(settings);
  return startFleet(name, settings);
}

async function startSingle({ root, dir, proxy }: TopologySettings): Promise<Topology> {
  await using opening = new AsyncDisposableStack();
  const dataDir = join(dir, "redis");
  mkdirSync(dataDir, { recursive: true });
  const disk = mountSmallDisk(dataDir);
  if (typeof disk !== "string") opening.use(disk);
  const port = await stablePort();
  const server = opening.use(
    await startRedisProcess({
      dir: dataDir,
      port,
      config: join(root, "ops/redis/balanced.conf"),
      args: ["--save", "", "--auto-aof-rewrite-min-size", "128mb"],
      repairsAof: true,
    }),
  );
  const proxyPort = await proxy.open(port);
  const opened = opening.move();
  return {
    name: "single",
    env: { REDIS_URL: `redis://127.0.0.1:${proxyPort}` },
    servers: [{ server, proxyPort }],
    sentinels: [],
    disk,
    isHealthy: async () => (await server.client.ping()) === "PONG" || undefined,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function startFleet(
  name: "sentinel" | "cluster",
  { proxy }: TopologySettings,
): Promise<Topology> {
  const options = { args: persistenceArgs, through: proxy.open };
  const noDisk = "only injected into a single Redis";
  const withProxy = (server: RedisProcess & { announcedPort: number }) => ({
    server,
    proxyPort: server.announcedPort,
  });
  if (name === "sentinel") {
    const fleet = await startSentinels("toril", options);
    const { sentinels, env, isHealthy } = fleet;
    const servers = [withProxy(fleet.first), withProxy(fleet.replica)];
    const dispose = () => fleet[Symbol.asyncDispose]();
    return {
      name,
      env,
      servers,
      sentinels,
      disk: noDisk,
      isHealthy,
      [Symbol.asyncDispose]: dispose,
    };
  }
  const fleet = await startCluster(options);
  const { env, isHealthy } = fleet;
  const servers = fleet.nodes.map(withProxy);
  const dispose = () => fleet[Symbol.asyncDispose]();
  return {
    name,
    env,
    servers,
    sentinels: [],
    disk: noDisk,
    isHealthy,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Returns the servers that currently have the role. */
export async function serversWithRole(
  { servers }: Topology,
  role: "master" | "slave",
): Promise<DataServer[]> {
  const roles = await Promise.all(
    servers.map(({ server }) => server.client.info("replication").catch(() => "")),
  );
  return servers.filter((_, index) => roles[index]?.includes(`role:${role}`));
}

const diskBytes = 512 * 1024 * 1024;

/** @returns the reason if mounting is not permitted */
function mountSmallDisk(dir: string): SmallDisk | string {
  const size = ["-o", `size=${diskBytes}`];
  const { status } = spawnSync("mount", ["-t", "tmpfs", ...size, "toril-chaos", dir]);
  if (status !== 0) return "mounting a small tmpfs needs root on Linux";
  const filler = join(dir, "filler");
  return {
    fill() {
      const block = Buffer.alloc(1024 * 1024);
      // Other processes write to the disk at the same time.
      for (;;) {
        const { bavail, bsize } = statfsSync(dir);
        if (bavail === 0) return;
        try {
          writeFileSync(filler, block.subarray(0, Math.min(block.length, bavail * bsize)), {
            flag: "a",
          });
        } catch {
          return;
        }
      }
    },
    free: () => rmSync(filler, { force: true }),
    [Symbol.dispose]: () => void spawnSync("umount", ["--lazy", dir]),
  };
}

import { serversWithRole } from "../topology.ts";
import type { FaultKind } from "./fault.ts";

export function createNetworkFault(
  store: "Redis" | "Postgres",
  damage: "reset" | "halfOpen",
): FaultKind {
  return {
    kind: `${store} connections: ${damage === "reset" ? "reset" : "half-open"}`,
    async prepare({ stack: { topology, proxy, postgresProxyPort } }) {
      const ports =
        store === "Redis"
          ? topology.servers.map(({ proxyPort }) => proxyPort)
          : [postgresProxyPort];
      return {
        target: "all of them",
        holdMs: 0,
        inject: async () => void (await Promise.all(ports.map((port) => proxy[damage](port)))),
        end: async () => {},
      };
    },
  };
}

export const flush: FaultKind = {
  kind: "Redis: FLUSHALL",
  async prepare({ stack: { topology } }) {
    const masters = await serversWithRole(topology, "master");
    return {
      target: "every master",
      holdMs: 0,
      inject: async () =>
        void (await Promise.all(masters.map((one) => one.server.client.flushall()))),
      end: async () => {},
    };
  },
};

export const outOfMemory: FaultKind = {
  kind: "Redis: out of memory",
  async prepare({ stack: { topology }, random, holdMs }) {
    const setLimit = async (limit: string) => {
      await Promise.all(
        topology.servers.map(({ server }) => server.client.config("SET", "maxmemory", limit)),
      );
    };
    return {
      target: "every server",
      holdMs: random.integer(...holdMs),
      inject: () => setLimit("1mb"),
      end: () => setLimit("0"),
    };
  },
};

export const diskFull: FaultKind = {
  kind: "Redis: disk full",
  async prepare({ stack: { topology }, random, holdMs }) {
    const { disk } = topology;
    if (typeof disk === "string") return disk;
    return {
      target: "the file system of the AOF",
      holdMs: random.integer(...holdMs),
      inject: async () => disk.fill(),
      end: async () => disk.free(),
    };
  },
};

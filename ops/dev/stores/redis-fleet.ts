import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "../until.ts";
import { stablePort } from "../processes/restartable.ts";
import {
  type RedisProcess,
  type RedisProcessSettings,
  startRedisProcess,
} from "./redis-process.ts";

/** Several Redis servers with a common data directory. */
interface Fleet extends AsyncDisposable {
  readonly dir: string;
  start(settings: Omit<RedisProcessSettings, "dir">): Promise<RedisProcess>;
}

export interface FleetOptions {
  /** Further arguments of every data server. */
  args?: readonly string[];
  /** Opens a proxy in front of a port and returns the proxy's port, which the servers announce instead of their own. */
  openProxy?: (port: number) => Promise<number>;
}

const pollOptions = { timeoutMs: 60_000 };

const direct = (port: number) => Promise.resolve(port);

function openFleet(): Fleet {
  const dir = mkdtempSync(join(tmpdir(), "toril-fleet-"));
  const opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  let count = 0;
  return {
    dir,
    async start(settings) {
      count += 1;
      return opened.use(await startRedisProcess({ dir: join(dir, `${count}`), ...settings }));
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Starts a master, a replica and three Sentinels with down-after-milliseconds 1000. */
export async function startSentinels(
  master: string,
  { args = [], openProxy = direct }: FleetOptions = {},
) {
  await using opening = new AsyncDisposableStack();
  const fleet = opening.use(openFleet());
  const first = await startServer("first", "");
  const masterPort = first.announcedPort;
  const replica = await startServer("second", `replicaof 127.0.0.1 ${masterPort}`);
  const sentinels = await Promise.all([1, 2, 3].map(startSentinel));
  // A Sentinel that knows no replica does not fail over.
  await until("the Sentinels know each other and the replica", isHealthy, pollOptions);
  const opened = opening.move();

  /** The role is in the configuration file, because Sentinels let the server rewrite it on a failover. */
  async function startServer(name: string, roleConfig: string) {
    const port = await stablePort();
    const announcedPort = await openProxy(port);
    const config = join(fleet.dir, `${name}.conf`);
    writeFileSync(config, `${roleConfig}\nreplica-announce-port ${announcedPort}\n`);
    return Object.assign(await fleet.start({ port, config, args }), { announcedPort });
  }

  async function isHealthy() {
    const views = await Promise.all(sentinels.map(({ client }) => client.call("INFO", "sentinel")));
    const areAgreed = views.every((view) =>
      /status=ok,[^]*slaves=1,sentinels=3/.test(String(view)),
    );
    const servers = [first, replica].map(({ client }) => client.info("replication"));
    return (areAgreed && hasEveryMasterReplica(await Promise.all(servers))) || undefined;
  }

  async function startSentinel(number: number) {
    const config = join(fleet.dir, `sentinel-${number}.conf`);
    writeFileSync(
      config,
      `sentinel monitor ${master} 127.0.0.1 ${masterPort} 2
       sentinel down-after-milliseconds ${master} 1000
       sentinel failover-timeout ${master} 5000
      `,
    );
    return fleet.start({ config, args: ["--sentinel"] });
  }

  return {
    first,
    replica,
    /** In the order in which clients try them. */
    sentinels,
    isHealthy,
    env: {
      REDIS_URL: "",
      REDIS_SENTINELS: sentinels.map(({ port }) => `127.0.0.1:${port}`).join(),
      REDIS_SENTINEL_MASTER: master,
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

interface Node extends RedisProcess {
  /** Port of the cluster bus. */
  readonly busPort: number;
  readonly announcedPort: number;
}

const slots = 16_384;

/** Starts three masters and three replicas with cluster-node-timeout 2000. */
export async function startCluster({ args = [], openProxy = direct }: FleetOptions = {}) {
  await using opening = new AsyncDisposableStack();
  const fleet = opening.use(openFleet());
  const nodes = await Promise.all(Array.from({ length: 6 }, startNode));
  const [one, two, three, ...replicas] = nodes as [Node, Node, Node, ...Node[]];
  const masters = [one, two, three];
  await connectNodes();
  const opened = opening.move();

  async function startNode(): Promise<Node> {
    const [port, busPort] = [await stablePort(), await stablePort()];
    const announcedPort = await openProxy(port);
    const settings = {
      "cluster-enabled": "yes",
      "cluster-port": busPort,
      "cluster-node-timeout": 2000,
      "cluster-announce-port": announcedPort,
      "cluster-announce-bus-port": busPort,
    };
    const own = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const node = await fleet.start({ port, args: [...own, ...args] });
    return Object.assign(node, { busPort, announcedPort });
  }

  async function connectNodes() {
    const share = Math.ceil(slots / masters.length);
    for (const [index, { client }] of masters.entries()) {
      const first = index * share;
      const own = Array.from({ length: Math.min(share, slots - first) }, (_, slot) => first + slot);
      await client.cluster("ADDSLOTS", ...own);
      await client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    }
    for (const { port, busPort } of nodes.slice(1)) {
      await one.client.call("CLUSTER", "MEET", "127.0.0.1", port, busPort);
    }
    for (const [index, { client }] of replicas.entries()) {
      const id = String(await masters[index]?.client.call("CLUSTER", "MYID"));
      const follow = () => client.call("CLUSTER", "REPLICATE", id);
      await until(`replica ${index} is attached`, follow, pollOptions);
    }
    await until("the Cluster is healthy", isHealthy, pollOptions);
  }

  async function isHealthy() {
    const views = await Promise.all(nodes.map(({ client }) => client.cluster("INFO")));
    const areAgreed = views.every((view) => /cluster_state:ok[^]*cluster_known_nodes:6/.test(view));
    const servers = nodes.map(({ client }) => client.info("replication"));
    return (areAgreed && hasEveryMasterReplica(await Promise.all(servers))) || undefined;
  }

  return {
    nodes,
    isHealthy: isHealthy,
    /** Returns the master that holds the slot of a key. */
    async getMaster(key: string): Promise<RedisProcess> {
      for (const node of masters) {
        // Another master holds the slot: the command is refused.
        const isHere = await node.client.exists(key).catch(() => undefined);
        if (isHere !== undefined) return node;
      }
      throw new Error(`no node holds ${key}`);
    },
    env: {
      REDIS_URL: "",
      REDIS_CLUSTER_NODES: nodes.map(({ announcedPort }) => `127.0.0.1:${announcedPort}`).join(),
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** @param views `INFO replication` of every server */
function hasEveryMasterReplica(views: readonly string[]): boolean {
  const masters = views.filter((view) => view.includes("role:master"));
  return (
    masters.length * 2 === views.length && masters.every((view) => view.includes("state=online"))
  );
}

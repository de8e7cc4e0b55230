import { afterAll, beforeAll, expect, test } from "bun:test";
import { epochKey } from "@toril/contract/engine/redis/names";
import { startCluster } from "../../ops/dev/stores/redis-fleet.ts";
import { readNode } from "../src/reconciler/redis-node.ts";
import { openCommandRedis } from "../src/stores/redis.ts";
import { createRedisEpoch, type RedisLoss } from "../src/reconciler/redis-epoch.ts";
import { _until } from "./_reconcile.ts";

const prefix = "test";
const queues = ["default", "imports", "feeds"];

type Cluster = Awaited<ReturnType<typeof startCluster>>;
let cluster: Cluster;
let redis: ReturnType<typeof openCommandRedis>;
beforeAll(async () => {
  cluster = await startCluster();
  const { nodes } = cluster;
  const addresses = nodes.map(({ port }) => ({ host: "127.0.0.1", port }));
  redis = openCommandRedis({ kind: "cluster", nodes: addresses, options: {} }, () => {});
  await _until(() => redis.status === "ready");
});
afterAll(async () => {
  redis.disconnect();
  await cluster[Symbol.asyncDispose]();
});

const _getHolder = (queue: string) => cluster.getMaster(epochKey(prefix, queue));

function _watch() {
  const losses: RedisLoss[] = [];
  let looks = 0;
  const counting = new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name === "eval") looks += 1;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const log = { warn() {} };
  const onLost = (reason: RedisLoss) => losses.push(reason);
  const epoch = createRedisEpoch({
    redis: counting,
    prefix,
    queues,
    everyMs: 20,
    log,
    onDataLoss: onLost,
  });
  return {
    losses,
    async looked(times: number) {
      const before = looks;
      await _until(() => looks >= before + (times + 1) * queues.length);
    },
    [Symbol.asyncDispose]: () => epoch.close(),
  };
}

test("queues are spread over the masters, and no loss is reported while all masters run", async () => {
  const holders = await Promise.all(queues.map(_getHolder));
  expect(new Set(holders).size).toBeGreaterThan(1);
  await using watching = _watch();

  await watching.looked(10);

  expect(watching.losses).toEqual([]);
});

test.each(queues)("a flush of the master that holds %s is detected", async (queue) => {
  await using watching = _watch();
  await watching.looked(1);

  await (await _getHolder(queue)).client.flushall();
  await _until(() => watching.losses.length > 0);
  await watching.looked(2);

  expect(watching.losses).toEqual(["flushed"]);
});

test("a master without free memory is distinguished from the others", async () => {
  const full = await _getHolder("default");
  const holders = await Promise.all(queues.map(_getHolder));

  await full.client.config("SET", "maxmemory", 1);
  const nodes = await Promise.all(queues.map((queue) => readNode(redis, prefix, queue)));
  await full.client.config("SET", "maxmemory", 0);

  expect(nodes.map(({ hasMemory }) => hasMemory)).toEqual(holders.map((holder) => holder !== full));
  expect(await readNode(redis, prefix, "default")).toMatchObject({ hasMemory: true });
});

test("a planned failover, which closes no connection, is detected", async () => {
  await using watching = _watch();
  await watching.looked(1);
  const master = await _getHolder("default");
  const replica = cluster.nodes.slice(3).find((_, index) => cluster.nodes[index] === master);

  await replica!.client.call("CLUSTER", "FAILOVER");
  await _until(() => watching.losses.length > 0);

  expect(watching.losses[0]).toBe("restarted");
});

import { randomUUID } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jobKey } from "@toril/contract/engine/redis/names";
import { createDispatch, dispatchScriptUrl } from "@toril/contract/engine/redis/scripts/dispatch";
import { afterAll, expect, test } from "bun:test";

import { installProgram } from "../dev/stores/install-program.ts";
import { until } from "../dev/until.ts";
import { type RedisProcess, startRedisProcess } from "../dev/stores/redis-process.ts";
import { root } from "./_stack.ts";
import { syncedLength, straceCommand } from "./_synced-length.ts";

const dir = mkdtempSync(join(tmpdir(), "toril-redis-conf-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const script = await Bun.file(dispatchScriptUrl).text();
const aof = "appendonlydir/appendonly.aof.1.incr.aof";
// strace exists on Linux only.
const hasStrace = Bun.which("strace") !== null || installProgram("strace");
const pollOptions = { timeoutMs: 60_000 };

const _config = (name: string) => join(root, `ops/redis/${name}.conf`);

test.each([
  ["durable", { appendfsync: "always", save: "" }],
  ["balanced", { appendfsync: "everysec", save: "3600 1 300 100 60 10000" }],
])("Redis runs with the settings of %s.conf", async (name, own) => {
  await using redis = await _start(name);
  const settings = { ...own, appendonly: "yes", "maxmemory-policy": "noeviction", hz: "100" };
  const requested = await Promise.all(
    Object.keys(settings).map((key) => redis.client.config("GET", key)),
  );
  expect(requested).toEqual(Object.entries(settings));
});

test.each(["durable", "balanced"])(
  "with %s.conf, a redis-server killed with -9 under load has every acknowledged job after its restart",
  async (name) => {
    await using redis = await _start(name);
    const adds = await _addUntilItDies(redis, 2000);
    await redis.kill("SIGKILL");
    await adds.ended;
    await redis.restart();
    expect(await _missing(redis, adds.acknowledged)).toEqual([]);
  },
);

test.skipIf(!hasStrace)(
  "with durable.conf, the data synced before a crash contains every acknowledged job",
  async () => {
    const { missing } = await _keepWhatWasSynced("durable", 500);
    expect(missing).toEqual([]);
  },
);

test.skipIf(!hasStrace)(
  "with balanced.conf, the data synced before a crash contains every job acknowledged two seconds earlier",
  async () => {
    const { missing, lostBytes, crashedAt } = await _keepWhatWasSynced("balanced", 3000);
    expect(missing.filter(({ at }) => at < crashedAt - 2000)).toEqual([]);
    // Otherwise the trace proves nothing.
    expect(lostBytes).toBeGreaterThan(0);
  },
);

test("Redis does not start with an append-only file that ends in zeros until redis-check-aof --fix repairs it", async () => {
  await using redis = await _start("balanced");
  const adds = await _addUntilItDies(redis, 100);
  await redis.kill("SIGKILL");
  await adds.ended;
  const file = join(redis.dir, aof);
  truncateSync(file, readFileSync(file).length + 4096);

  await expect(redis.restart()).rejects.toThrow("Bad file format");
  const manifest = join(redis.dir, "appendonlydir/appendonly.aof.manifest");
  const fix = Bun.spawn(["redis-check-aof", "--fix", manifest], {
    stdin: new Blob(["y\n"]),
    stdout: "ignore",
  });
  expect(await fix.exited).toBe(0);
  await redis.restart();
  expect(await _missing(redis, adds.acknowledged)).toEqual([]);
});

function _start(name: string) {
  return startRedisProcess({ dir: join(dir, randomUUID()), config: _config(name) });
}

interface Add {
  id: string;
  /** Time of the acknowledgement. */
  at: number;
}

/** Adds jobs like a producer until Redis is killed; resolves when `count` are acknowledged. */
async function _addUntilItDies({ client }: RedisProcess, count: number) {
  const dispatch = createDispatch(client, { prefix: "bull", script });
  const acknowledged: Add[] = [];

  async function addOn() {
    for (;;) {
      const id = randomUUID();
      const options = { attempts: 3, timestamp: Date.now() };
      await dispatch("default", [{ bullId: id, type: "echo", data: "{}", options }]);
      acknowledged.push({ id, at: Date.now() });
    }
  }
  const ended = Promise.allSettled([addOn(), addOn(), addOn(), addOn()]);
  const areEnough = async () => acknowledged.length >= count || undefined;
  await until("adds are acknowledged", areEnough, pollOptions);
  return { acknowledged, ended };
}

async function _missing({ client }: RedisProcess, adds: readonly Add[]): Promise<Add[]> {
  const exist = await Promise.all(
    adds.map(({ id }) => client.exists(jobKey("bull", "default", id))),
  );
  return adds.filter((_, index) => exist[index] === 0);
}

/** Kills Redis after `loadMs` under load, and starts another one with the synced data only. */
async function _keepWhatWasSynced(name: string, loadMs: number) {
  const own = join(dir, randomUUID());
  const trace = `${own}.trace`;
  const config = _config(name);
  await using redis = await startRedisProcess({ dir: own, config, wrapper: straceCommand(trace) });
  const startedAt = Date.now();
  const adds = await _addUntilItDies(redis, 100);
  await until("a while", async () => Date.now() > startedAt + loadMs || undefined, pollOptions);
  const info = await redis.client.info("server");
  process.kill(Number(/^process_id:(\d+)/m.exec(info)?.[1]), "SIGKILL");
  const crashedAt = Date.now();
  await adds.ended;
  await redis.exited;

  const rest = join(dir, randomUUID());
  cpSync(own, rest, { recursive: true });
  const written = readFileSync(join(rest, aof)).length;
  const synced = syncedLength(readFileSync(trace, "utf8"), aof);
  truncateSync(join(rest, aof), synced);
  await using after = await startRedisProcess({ dir: rest, config });
  const missing = await _missing(after, adds.acknowledged);
  return { missing, lostBytes: written - synced, crashedAt };
}

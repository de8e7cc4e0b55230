import { randomUUID } from "node:crypto";
import { checkClock, type Finding } from "./finding.ts";

/** The commands that the checks use. */
export interface CheckedRedis {
  info(): Promise<string>;
  time(): Promise<(string | number)[]>;
  set(key: string, value: string, mode: "PX", ms: number): Promise<unknown>;
}

/** Checks version, eviction policy, persistence, memory, role, writes and clock of Redis. Throws if Redis is unavailable. */
export async function checkRedis(redis: CheckedRedis, prefix: string): Promise<Finding[]> {
  const info = parseInfo(await redis.info());
  return [
    ...checkVersion(info),
    ...checkPolicy(info),
    ...checkPersistence(info),
    ...checkMemory(info),
    ...checkRole(info),
    ...(await checkWrites(redis, prefix)),
    ...(await checkClock("Redis", async () => {
      const [seconds, micros] = await redis.time();
      return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    })),
  ];
}

type Info = Readonly<Record<string, string>>;

function parseInfo(text: string): Info {
  const entries = text.split(/\r?\n/).map((line) => /^([^#:]+):(.*)$/.exec(line) ?? []);
  return Object.fromEntries(entries.map(([, name = "", value = ""]) => [name, value]));
}

function checkVersion({ redis_version: version = "0" }: Info): Finding[] {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 6 || (major === 6 && minor >= 2)) return [];
  return [
    {
      check: "redis-version",
      severity: "error",
      problem: `Redis ${version} is too old`,
      remedy: "Upgrade to Redis 6.2 or newer, or Valkey",
    },
  ];
}

function checkPolicy({ maxmemory_policy: policy = "" }: Info): Finding[] {
  if (policy === "noeviction" || policy === "") return [];
  return [
    {
      check: "redis-eviction",
      severity: "error",
      problem: `maxmemory-policy is ${policy}: Redis deletes jobs and locks when its memory is full`,
      remedy: "Set `maxmemory-policy noeviction` (CONFIG SET, and in redis.conf)",
    },
  ];
}

function checkPersistence(info: Info): Finding[] {
  const findings: Finding[] = [];
  if (info["aof_enabled"] === "0") {
    findings.push({
      check: "redis-persistence",
      severity: "warning",
      problem:
        "appendonly is off: after a restart of Redis, all pending jobs are dispatched again from Postgres, and running jobs start again",
      remedy: "Set `appendonly yes` and `appendfsync everysec` (ops/redis/balanced.conf)",
    });
  }
  if (info["aof_last_write_status"] === "err" || info["rdb_last_bgsave_status"] === "err") {
    findings.push({
      check: "redis-disk",
      severity: "error",
      problem: "The last write of Redis to its disk failed",
      remedy:
        "Check the free space and the permissions of the data directory of Redis, and its log",
    });
  }
  if (info["loading"] === "1") {
    findings.push({
      check: "redis-loading",
      severity: "error",
      problem: "Redis is still loading its data",
      remedy: "Wait until it has loaded; enqueuing is answered 202 meanwhile",
    });
  }
  return findings;
}

function checkMemory(info: Info): Finding[] {
  const max = Number(info["maxmemory"] ?? 0);
  const used = Number(info["used_memory"] ?? 0);
  if (max === 0 || used < max * 0.8) return [];
  return [
    {
      check: "redis-memory",
      severity: used >= max * 0.95 ? "error" : "warning",
      problem: `Redis uses ${toMb(used)} of ${toMb(max)} (maxmemory): when it is full, jobs are recorded but not dispatched`,
      remedy: "Raise `maxmemory`, add consumers, or pause the clients that enqueue",
    },
  ];
}

function checkRole({
  role = "master",
  connected_slaves: replicas = "0",
  min_slaves_good_slaves: good,
}: Info): Finding[] {
  if (role !== "master") {
    return [
      {
        check: "redis-role",
        severity: "error",
        problem: `This Redis is a ${role === "slave" ? "replica" : role}, which accepts no writes`,
        remedy: "Connect to the master: REDIS_SENTINELS, or the address of the master in REDIS_URL",
      },
    ];
  }
  if (good === undefined || Number(good) > 0) return [];
  return [
    {
      check: "redis-replicas",
      severity: "error",
      problem: `min-replicas-to-write is set, and none of ${replicas} replicas is in sync`,
      remedy: "Repair the replicas: until then the master refuses writes",
    },
  ];
}

async function checkWrites(redis: CheckedRedis, prefix: string): Promise<Finding[]> {
  try {
    await redis.set(`${prefix}:toril:doctor:${randomUUID()}`, "1", "PX", 1000);
    return [];
  } catch (error) {
    return [
      {
        check: "redis-writes",
        severity: "error",
        problem: `Redis refuses writes: ${(error as Error).message}`,
        remedy: "Check memory, disk, role and the permissions of the user (ops/redis)",
      },
    ];
  }
}

function toMb(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

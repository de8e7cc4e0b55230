import { randomUUID } from "node:crypto";
import { epochKey } from "@toril/contract/engine/redis/names";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import { sleep } from "../wait.ts";

/** `reconnected`: the connection was lost, but Redis is the same process with the same data. */
export type RedisLoss = "flushed" | "restarted" | "reconnected";

export interface RedisEpoch {
  /** Time since which Redis has lost neither data nor the connection, in Unix ms; the current time while unknown. */
  readonly changedAt: number;
  close(): Promise<void>;
}

export interface RedisEpochDeps {
  /** Commands must have a timeout. */
  redis: Pick<Redis | Cluster, "eval" | "status" | "on" | "off">;
  prefix: string;
  queues: readonly string[];
  everyMs?: number;
  onLost(reason: RedisLoss): void;
  log: Pick<Logger, "warn">;
}

/** State of the Redis node that holds a queue. */
interface Seen {
  epoch: string;
  runId: string;
}

/**
 * KEYS[1] an epoch, ARGV[1] its initial value. Returns the epoch, which the first caller has set, and INFO of the same
 * node: in a Cluster or behind Sentinels, each call may reach another node.
 */
const script = `
  redis.call("SET", KEYS[1], ARGV[1], "NX")
  return { redis.call("GET", KEYS[1]), redis.call("INFO", "server") }`;

/** A check older than this many intervals proves nothing. */
const staleAfter = 3;

/** Detects when Redis may have lost jobs, by an epoch key and the server's run_id: FLUSHALL closes no connection. */
export function createRedisEpoch(deps: RedisEpochDeps): RedisEpoch {
  const { redis, prefix, queues, everyMs = 1000, onLost, log } = deps;
  const stop = new AbortController();
  let alarm = new AbortController();
  let seen: readonly Seen[] | undefined;
  /** `breaks` counts lost connections and failed checks; `mended` is how many of them a later check has resolved. */
  let breaks = 0;
  let mended = 0;
  let lookedAt = 0;
  let changedAt = 0;

  const onClose = () => {
    breaks += 1;
  };
  const onReady = () => alarm.abort();

  async function ask(queue: string): Promise<Seen> {
    const answer = await redis.eval(script, 1, [epochKey(prefix, queue), randomUUID()]);
    const [epoch, info] = (answer as unknown[]).map(String);
    return { epoch: epoch ?? "", runId: /^run_id:(\w+)/m.exec(info ?? "")?.[1] ?? "" };
  }

  async function look() {
    if (redis.status !== "ready") return;
    const startedAt = Date.now();
    const breaksBefore = breaks;
    const wasBroken = breaks > mended;
    try {
      const now = await Promise.all(queues.map(ask));
      const loss = lossBetween(seen ?? now, now, wasBroken);
      if (seen === undefined || loss !== undefined) changedAt = Date.now();
      // A reported loss also covers a connection lost during this check.
      mended = loss === undefined ? breaksBefore : breaks;
      seen = now;
      lookedAt = startedAt;
      if (loss !== undefined) onLost(loss);
    } catch (error) {
      breaks += 1;
      if (!wasBroken) log.warn({ err: error }, "cannot tell whether Redis has lost anything");
    }
  }

  async function watch() {
    while (!stop.signal.aborted) {
      alarm = new AbortController();
      await look();
      await sleep(everyMs, stop.signal, alarm.signal);
    }
  }

  redis.on("close", onClose);
  redis.on("ready", onReady);
  const watching = watch();

  return {
    get changedAt() {
      const isStale = Date.now() - lookedAt > staleAfter * everyMs;
      return breaks > mended || isStale ? Date.now() : changedAt;
    },
    async close() {
      stop.abort();
      await watching;
      redis.off("close", onClose);
      redis.off("ready", onReady);
    },
  };
}

function lossBetween(
  before: readonly Seen[],
  now: readonly Seen[],
  wasBroken: boolean,
): RedisLoss | undefined {
  if (before.some(({ epoch }, index) => epoch !== now[index]?.epoch)) return "flushed";
  if (before.some(({ runId }, index) => runId !== now[index]?.runId)) return "restarted";
  return wasBroken ? "reconnected" : undefined;
}

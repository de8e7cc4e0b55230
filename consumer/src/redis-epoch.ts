import { randomUUID } from "node:crypto";
import { epochKey } from "@toril/contract/dispatch/names";
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { pause } from "./pause.ts";

/** `reconnected`: the connection was lost, and Redis is the one it was. */
export type RedisLoss = "flushed" | "restarted" | "reconnected";

export interface RedisEpoch {
  /** Since when Redis has lost neither data nor a connection, in ms since 1970; now, while nobody can tell. */
  readonly changedAt: number;
  close(): Promise<void>;
}

export interface RedisEpochDeps {
  /** Its commands must fail in bounded time. */
  redis: Pick<Redis, "get" | "set" | "info" | "status" | "on" | "off">;
  prefix: string;
  everyMs?: number;
  onLost(reason: RedisLoss): void;
  log: Pick<Logger, "warn">;
}

interface Seen {
  epoch: string;
  runId: string;
}

/** A look that began more intervals ago vouches for nothing. */
const staleAfter = 3;

/** Tells when Redis may have lost jobs. FLUSHALL drops no connection: a key of our own and the server's run_id tell. */
export function createRedisEpoch(deps: RedisEpochDeps): RedisEpoch {
  const { redis, prefix, everyMs = 1000, onLost, log } = deps;
  const key = epochKey(prefix);
  const stop = new AbortController();
  let alarm = new AbortController();
  let seen: Seen | undefined;
  /** How often the connection was lost or a look failed, and how many of those a later look has cleared up. */
  let breaks = 0;
  let mended = 0;
  let lookedAt = 0;
  let changedAt = 0;

  const onClose = () => {
    breaks += 1;
  };
  const onReady = () => alarm.abort();

  /** The value that whoever came first has set. */
  async function readEpoch(): Promise<string> {
    const standing = await redis.get(key);
    if (standing !== null) return standing;
    await redis.set(key, randomUUID(), "NX");
    const first = await redis.get(key);
    if (first === null) throw new Error("the epoch was lost while it was set");
    return first;
  }

  async function look() {
    if (redis.status !== "ready") return;
    const startedAt = Date.now();
    const breaksBefore = breaks;
    const wasBroken = breaks > mended;
    try {
      const [epoch, info] = await Promise.all([readEpoch(), redis.info("server")]);
      const now: Seen = { epoch, runId: /^run_id:(\w+)/m.exec(info)?.[1] ?? "" };
      const loss = lossBetween(seen ?? now, now, wasBroken);
      if (seen === undefined || loss !== undefined) changedAt = Date.now();
      // With a loss it also tells about the connection that was lost while the answers were awaited.
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
      await pause(everyMs, stop.signal, alarm.signal);
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

function lossBetween(before: Seen, now: Seen, wasBroken: boolean): RedisLoss | undefined {
  if (before.epoch !== now.epoch) return "flushed";
  if (before.runId !== now.runId) return "restarted";
  return wasBroken ? "reconnected" : undefined;
}

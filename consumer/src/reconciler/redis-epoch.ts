import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import { sleep } from "../wait.ts";
import { readNode, type RedisNode } from "./redis-node.ts";

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
  onDataLoss(reason: RedisLoss): void;
  log: Pick<Logger, "warn">;
}

type NodeState = Pick<RedisNode, "epoch" | "runId">;

/** A check older than this many intervals proves nothing. */
const staleAfter = 3;

/** Detects when Redis may have lost jobs, by an epoch key and the server's run_id: FLUSHALL closes no connection. */
export function createRedisEpoch(deps: RedisEpochDeps): RedisEpoch {
  const { redis, prefix, queues, everyMs = 1000, onDataLoss, log } = deps;
  const stop = new AbortController();
  let wakeUp = new AbortController();
  let lastStates: readonly NodeState[] | undefined;
  /** Counts lost connections and failed checks; `resolvedFailures` is how many of them a later check has resolved. */
  let failures = 0;
  let resolvedFailures = 0;
  let checkedAt = 0;
  let changedAt = 0;

  const onClose = () => {
    failures += 1;
  };
  const onReady = () => wakeUp.abort();

  async function check() {
    if (redis.status !== "ready") return;
    const startedAt = Date.now();
    const failuresBefore = failures;
    const hadFailures = failures > resolvedFailures;
    try {
      const states = await Promise.all(queues.map((queue) => readNode(redis, prefix, queue)));
      const loss = findLoss(lastStates ?? states, states, hadFailures);
      if (lastStates === undefined || loss !== undefined) changedAt = Date.now();
      // A reported loss also covers a connection lost during this check.
      resolvedFailures = loss === undefined ? failuresBefore : failures;
      lastStates = states;
      checkedAt = startedAt;
      if (loss !== undefined) onDataLoss(loss);
    } catch (error) {
      failures += 1;
      if (!hadFailures) log.warn({ err: error }, "failed to check whether Redis has lost data");
    }
  }

  async function watch() {
    while (!stop.signal.aborted) {
      wakeUp = new AbortController();
      await check();
      await sleep(everyMs, stop.signal, wakeUp.signal);
    }
  }

  redis.on("close", onClose);
  redis.on("ready", onReady);
  const watching = watch();

  return {
    get changedAt() {
      const isStale = Date.now() - checkedAt > staleAfter * everyMs;
      return failures > resolvedFailures || isStale ? Date.now() : changedAt;
    },
    async close() {
      stop.abort();
      await watching;
      redis.off("close", onClose);
      redis.off("ready", onReady);
    },
  };
}

function findLoss(
  before: readonly NodeState[],
  states: readonly NodeState[],
  hadFailures: boolean,
): RedisLoss | undefined {
  if (before.some(({ epoch }, index) => epoch !== states[index]?.epoch)) return "flushed";
  if (before.some(({ runId }, index) => runId !== states[index]?.runId)) return "restarted";
  return hadFailures ? "reconnected" : undefined;
}

import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import type { RestartableProcess } from "../dev/restartable.ts";
import type { Random } from "./random.ts";
import type { ChaosStack } from "./stack.ts";
import { serversWithRole } from "./topology.ts";

/** One fault, ready to be injected. */
export interface Fault {
  target: string;
  inject(): Promise<void>;
  /** Ends the fault, and waits until stopped processes run again. */
  end(): Promise<void>;
  /** Time between inject and end. */
  holdMs: number;
}

export interface FaultContext {
  stack: ChaosStack;
  random: Random;
  /** Minimum and maximum time for which a process is frozen or a store refuses writes. */
  holdMs: readonly [number, number];
}

export interface FaultKind {
  kind: string;
  /** @returns why it cannot be injected here */
  prepare(context: FaultContext): Promise<Fault | string>;
}

/** Restart delay of a supervisor. */
const restartMs = [200, 1500] as const;
const stepsMs = [-60_000, -5000, 5000, 60_000] as const;

type SelectTargets = (
  stack: ChaosStack,
  random: Random,
) => Promise<[string, RestartableProcess][]> | [string, RestartableProcess][];

const producers: SelectTargets = ({ producers }, random) => toTargets([random.pick(producers)]);
const consumers: SelectTargets = ({ consumers }, random) => toTargets([random.pick(consumers)]);
const everyConsumer: SelectTargets = ({ consumers }) => toTargets(consumers);
const caddy: SelectTargets = (stack) => [["Caddy", stack.caddy]];
const postgres: SelectTargets = (stack) => [["Postgres", stack.postgres]];
const master: SelectTargets = (stack, random) => redisWithRole(stack, "master", random);
const replica: SelectTargets = (stack, random) => redisWithRole(stack, "slave", random);
const sentinel: SelectTargets = ({ topology }, random) =>
  topology.sentinels.length === 0 ? [] : [["a Sentinel", random.pick(topology.sentinels)]];

function toTargets(
  apps: readonly (RestartableProcess & { name: string })[],
): [string, RestartableProcess][] {
  return apps.map((app) => [app.name, app]);
}

async function redisWithRole(
  stack: ChaosStack,
  role: "master" | "slave",
  random: Random,
): Promise<[string, RestartableProcess][]> {
  const servers = await serversWithRole(stack.topology, role);
  if (servers.length === 0) return [];
  const { server } = random.pick(servers);
  return [[`the Redis on ${server.port}`, server]];
}

const notInTopology = "not part of this topology";

function createKill(what: string, choose: SelectTargets): FaultKind {
  return {
    kind: `${what}: kill -9`,
    async prepare({ stack, random }) {
      const targets = await choose(stack, random);
      if (targets.length === 0) return notInTopology;
      return {
        target: formatTargets(targets),
        holdMs: random.integer(...restartMs),
        inject: async () => void (await forEachTarget(targets, (one) => one.kill("SIGKILL"))),
        end: async () => void (await forEachTarget(targets, (one) => one.restart())),
      };
    },
  };
}

/** @param signal signal that stops the process */
function createStop(
  what: string,
  choose: SelectTargets,
  signal: "SIGTERM" | "SIGINT" = "SIGTERM",
): FaultKind {
  return {
    kind: `${what}: ${signal}`,
    async prepare({ stack, random }) {
      const targets = await choose(stack, random);
      if (targets.length === 0) return notInTopology;
      return {
        target: formatTargets(targets),
        holdMs: random.integer(...restartMs),
        inject: async () => void (await forEachTarget(targets, (one) => one.kill(signal))),
        async end() {
          await forEachTarget(targets, async (one) => {
            await Promise.race([one.exited, sleep(stopMs)]);
            await one.restart();
          });
        },
      };
    },
  };
}

/** How long a supervisor waits before it kills a process. */
const stopMs = 20_000;

function createFreeze(what: string, choose: SelectTargets): FaultKind {
  return {
    kind: `${what}: SIGSTOP`,
    async prepare({ stack, random, holdMs }) {
      const targets = await choose(stack, random);
      if (targets.length === 0) return notInTopology;
      return {
        target: formatTargets(targets),
        holdMs: random.integer(...holdMs),
        inject: async () => void (await forEachTarget(targets, (one) => one.kill("SIGSTOP"))),
        end: async () => void (await forEachTarget(targets, (one) => one.kill("SIGCONT"))),
      };
    },
  };
}

function formatTargets(targets: readonly [string, RestartableProcess][]): string {
  return targets.map(([name]) => name).join(" and ");
}

function forEachTarget(
  targets: readonly [string, RestartableProcess][],
  act: (one: RestartableProcess) => Promise<unknown>,
) {
  return Promise.all(targets.map(([, one]) => act(one)));
}

/** Sends a signal to a backend process of Postgres. */
function createBackendSignal(signal: NodeJS.Signals): FaultKind {
  return {
    kind: `Postgres backend: ${signal === "SIGKILL" ? "kill -9" : signal}`,
    async prepare({ stack: { postgres }, random, holdMs }) {
      const backends = listChildren(postgres.pid).filter(({ title }) =>
        / toril toril /.test(title),
      );
      if (backends.length === 0) return "the processes of Postgres cannot be listed here";
      const { pid } = random.pick(backends);
      const send = (name: NodeJS.Signals) => {
        try {
          process.kill(pid, name);
        } catch {
          // It has just ended.
        }
      };
      return {
        target: `process ${pid}`,
        holdMs: signal === "SIGSTOP" ? random.integer(...holdMs) : 0,
        inject: async () => send(signal),
        end: async () => void (signal === "SIGSTOP" && send("SIGCONT")),
      };
    },
  };
}

function listChildren(pid: number): { pid: number; title: string }[] {
  const list = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(list)) return [];
  const pids = readFileSync(list, "utf8").split(" ").filter(Boolean).map(Number);
  return pids.flatMap((child) => {
    try {
      return [{ pid: child, title: readFileSync(`/proc/${child}/cmdline`, "utf8") }];
    } catch {
      return [];
    }
  });
}

function createNetworkFault(store: "Redis" | "Postgres", damage: "reset" | "halfOpen"): FaultKind {
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

const flush: FaultKind = {
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

const outOfMemory: FaultKind = {
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

const diskFull: FaultKind = {
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

function createClockStep(role: "producers" | "consumers"): FaultKind {
  return {
    kind: `${role.slice(0, -1)}: clock step`,
    async prepare({ stack, random, holdMs }) {
      const app = random.pick(stack[role]);
      const ms = random.pick(stepsMs);
      return {
        target: `${app.name} by ${ms / 1000} s`,
        holdMs: random.integer(...holdMs),
        inject: async () => app.stepClock(ms),
        end: async () => app.stepClock(0),
      };
    },
  };
}

export const faultKinds: readonly FaultKind[] = [
  createKill("producer", producers),
  createStop("producer", producers),
  createFreeze("producer", producers),
  createKill("consumer", consumers),
  createStop("consumer", consumers),
  createFreeze("consumer", consumers),
  createKill("both consumers", everyConsumer),
  createKill("Caddy", caddy),
  createStop("Caddy", caddy),
  createFreeze("Caddy", caddy),
  createKill("Postgres", postgres),
  createStop("Postgres", postgres, "SIGINT"),
  createStop("Postgres", postgres),
  createFreeze("Postgres", postgres),
  createBackendSignal("SIGKILL"),
  createBackendSignal("SIGTERM"),
  createBackendSignal("SIGSTOP"),
  createKill("Redis master", master),
  createStop("Redis master", master),
  createFreeze("Redis master", master),
  createKill("Redis replica", replica),
  createFreeze("Redis replica", replica),
  createKill("Sentinel", sentinel),
  createFreeze("Sentinel", sentinel),
  flush,
  outOfMemory,
  diskFull,
  createNetworkFault("Redis", "reset"),
  createNetworkFault("Redis", "halfOpen"),
  createNetworkFault("Postgres", "reset"),
  createNetworkFault("Postgres", "halfOpen"),
  createClockStep("producers"),
  createClockStep("consumers"),
];

/** Faults that are never injected. */
export const unsupportedFaults: readonly { kind: string; reason: string }[] = [
  {
    kind: "Redis and Postgres: clock step",
    reason:
      "needs the clock of the whole machine; the clocks of producers and consumers are stepped",
  },
];

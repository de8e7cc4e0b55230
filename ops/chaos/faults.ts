import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import type { Breakable } from "../dev/breakable.ts";
import type { Random } from "./random.ts";
import type { ChaosStack } from "./stack.ts";
import { serversWithRole } from "./topology.ts";

/** One fault, ready to be injected. */
export interface Fault {
  target: string;
  inject(): Promise<void>;
  /** Ends it, and waits until what was ended is there again. */
  heal(): Promise<void>;
  /** Between the two. */
  holdMs: number;
}

export interface FaultContext {
  stack: ChaosStack;
  random: Random;
  /** How long a process stands still, or a store refuses to write: at least and at most. */
  holdMs: readonly [number, number];
}

export interface FaultKind {
  kind: string;
  /** @returns why it cannot be injected here */
  prepare(context: FaultContext): Promise<Fault | string>;
}

/** How long a supervisor takes to start a process again. */
const restartMs = [200, 1500] as const;
const stepsMs = [-60_000, -5000, 5000, 60_000] as const;

type Choose = (
  stack: ChaosStack,
  random: Random,
) => Promise<[string, Breakable][]> | [string, Breakable][];

const producers: Choose = ({ producers }, random) => named([random.pick(producers)]);
const consumers: Choose = ({ consumers }, random) => named([random.pick(consumers)]);
const everyConsumer: Choose = ({ consumers }) => named(consumers);
const caddy: Choose = (stack) => [["Caddy", stack.caddy]];
const postgres: Choose = (stack) => [["Postgres", stack.postgres]];
const master: Choose = (stack, random) => redisWithRole(stack, "master", random);
const replica: Choose = (stack, random) => redisWithRole(stack, "slave", random);
const sentinel: Choose = ({ topology }, random) =>
  topology.sentinels.length === 0 ? [] : [["a Sentinel", random.pick(topology.sentinels)]];

function named(apps: readonly (Breakable & { name: string })[]): [string, Breakable][] {
  return apps.map((app) => [app.name, app]);
}

async function redisWithRole(
  stack: ChaosStack,
  role: "master" | "slave",
  random: Random,
): Promise<[string, Breakable][]> {
  const servers = await serversWithRole(stack.topology, role);
  if (servers.length === 0) return [];
  const { server } = random.pick(servers);
  return [[`the Redis on ${server.port}`, server]];
}

const notHere = "not a part of this topology";

function killed(what: string, choose: Choose): FaultKind {
  return {
    kind: `${what}: kill -9`,
    async prepare({ stack, random }) {
      const targets = await choose(stack, random);
      if (targets.length === 0) return notHere;
      return {
        target: namesOf(targets),
        holdMs: random.between(...restartMs),
        inject: async () => void (await each(targets, (one) => one.kill("SIGKILL"))),
        heal: async () => void (await each(targets, (one) => one.restart())),
      };
    },
  };
}

/** @param signal what asks this one to stop */
function stopped(
  what: string,
  choose: Choose,
  signal: "SIGTERM" | "SIGINT" = "SIGTERM",
): FaultKind {
  return {
    kind: `${what}: ${signal}`,
    async prepare({ stack, random }) {
      const targets = await choose(stack, random);
      if (targets.length === 0) return notHere;
      return {
        target: namesOf(targets),
        holdMs: random.between(...restartMs),
        inject: async () => void (await each(targets, (one) => one.kill(signal))),
        async heal() {
          await each(targets, async (one) => {
            await Promise.race([one.exited, sleep(stopMs)]);
            await one.restart();
          });
        },
      };
    },
  };
}

/** As long as a supervisor waits before it kills. */
const stopMs = 20_000;

function frozen(what: string, choose: Choose): FaultKind {
  return {
    kind: `${what}: SIGSTOP`,
    async prepare({ stack, random, holdMs }) {
      const targets = await choose(stack, random);
      if (targets.length === 0) return notHere;
      return {
        target: namesOf(targets),
        holdMs: random.between(...holdMs),
        inject: async () => void (await each(targets, (one) => one.kill("SIGSTOP"))),
        heal: async () => void (await each(targets, (one) => one.kill("SIGCONT"))),
      };
    },
  };
}

function namesOf(targets: readonly [string, Breakable][]): string {
  return targets.map(([name]) => name).join(" and ");
}

function each(targets: readonly [string, Breakable][], act: (one: Breakable) => Promise<unknown>) {
  return Promise.all(targets.map(([, one]) => act(one)));
}

/** One of the processes that Postgres consists of, beside the first. */
function backend(signal: NodeJS.Signals): FaultKind {
  return {
    kind: `Postgres backend: ${signal === "SIGKILL" ? "kill -9" : signal}`,
    async prepare({ stack: { postgres }, random, holdMs }) {
      const backends = childrenOf(postgres.pid).filter(({ title }) => / toril toril /.test(title));
      if (backends.length === 0) return "the processes of Postgres cannot be listed here";
      const { pid } = random.pick(backends);
      const send = (name: NodeJS.Signals) => {
        try {
          process.kill(pid, name);
        } catch {
          // It ended just now.
        }
      };
      return {
        target: `process ${pid}`,
        holdMs: signal === "SIGSTOP" ? random.between(...holdMs) : 0,
        inject: async () => send(signal),
        heal: async () => void (signal === "SIGSTOP" && send("SIGCONT")),
      };
    },
  };
}

function childrenOf(pid: number): { pid: number; title: string }[] {
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

function network(store: "Redis" | "Postgres", damage: "cut" | "silence"): FaultKind {
  return {
    kind: `${store} connections: ${damage === "cut" ? "reset" : "half-open"}`,
    async prepare({ stack: { topology, proxy, postgresProxyPort } }) {
      const ports =
        store === "Redis"
          ? topology.servers.map(({ proxyPort }) => proxyPort)
          : [postgresProxyPort];
      return {
        target: "all of them",
        holdMs: 0,
        inject: async () => void (await Promise.all(ports.map((port) => proxy[damage](port)))),
        heal: async () => {},
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
      heal: async () => {},
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
      holdMs: random.between(...holdMs),
      inject: () => setLimit("1mb"),
      heal: () => setLimit("0"),
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
      holdMs: random.between(...holdMs),
      inject: async () => disk.fill(),
      heal: async () => disk.free(),
    };
  },
};

function clockStep(role: "producers" | "consumers"): FaultKind {
  return {
    kind: `${role.slice(0, -1)}: clock step`,
    async prepare({ stack, random, holdMs }) {
      const app = random.pick(stack[role]);
      const ms = random.pick(stepsMs);
      return {
        target: `${app.name} by ${ms / 1000} s`,
        holdMs: random.between(...holdMs),
        inject: async () => app.stepClock(ms),
        heal: async () => app.stepClock(0),
      };
    },
  };
}

export const faultKinds: readonly FaultKind[] = [
  killed("producer", producers),
  stopped("producer", producers),
  frozen("producer", producers),
  killed("consumer", consumers),
  stopped("consumer", consumers),
  frozen("consumer", consumers),
  killed("both consumers", everyConsumer),
  killed("Caddy", caddy),
  stopped("Caddy", caddy),
  frozen("Caddy", caddy),
  killed("Postgres", postgres),
  stopped("Postgres", postgres, "SIGINT"),
  stopped("Postgres", postgres),
  frozen("Postgres", postgres),
  backend("SIGKILL"),
  backend("SIGTERM"),
  backend("SIGSTOP"),
  killed("Redis master", master),
  stopped("Redis master", master),
  frozen("Redis master", master),
  killed("Redis replica", replica),
  frozen("Redis replica", replica),
  killed("Sentinel", sentinel),
  frozen("Sentinel", sentinel),
  flush,
  outOfMemory,
  diskFull,
  network("Redis", "cut"),
  network("Redis", "silence"),
  network("Postgres", "cut"),
  network("Postgres", "silence"),
  clockStep("producers"),
  clockStep("consumers"),
];

/** Faults that this command cannot inject anywhere. */
export const neverInjected: readonly { kind: string; reason: string }[] = [
  {
    kind: "Redis and Postgres: clock step",
    reason:
      "needs the clock of the whole machine; the clocks of producers and consumers are stepped",
  },
];

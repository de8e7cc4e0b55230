import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import type { RestartableProcess } from "../../dev/processes/restartable.ts";
import type { Random } from "../random.ts";
import type { ChaosStack } from "../stack.ts";
import { serversWithRole } from "../topology.ts";
import type { Fault, FaultContext, FaultKind } from "./fault.ts";

/** Restart delay of a supervisor. */
const restartMs = [200, 1500] as const;

const stepsMs = [-60_000, -5000, 5000, 60_000] as const;

type SelectTargets = (
  stack: ChaosStack,
  random: Random,
) => Promise<[string, RestartableProcess][]> | [string, RestartableProcess][];

export const producers: SelectTargets = ({ producers }, random) =>
  toTargets([random.pick(producers)]);

export const consumers: SelectTargets = ({ consumers }, random) =>
  toTargets([random.pick(consumers)]);

export const everyConsumer: SelectTargets = ({ consumers }) => toTargets(consumers);

export const caddy: SelectTargets = (stack) => [["Caddy", stack.caddy]];

export const postgres: SelectTargets = (stack) => [["Postgres", stack.postgres]];

export const master: SelectTargets = (stack, random) => redisWithRole(stack, "master", random);

export const replica: SelectTargets = (stack, random) => redisWithRole(stack, "slave", random);

export const sentinel: SelectTargets = ({ topology }, random) =>
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

type Targets = readonly [string, RestartableProcess][];

/** Creates a fault of processes that a topology may lack. */
function createProcessFault(
  kind: string,
  choose: SelectTargets,
  toFault: (targets: Targets, context: FaultContext) => Omit<Fault, "target">,
): FaultKind {
  return {
    kind,
    async prepare(context) {
      const targets = await choose(context.stack, context.random);
      if (targets.length === 0) return "not part of this topology";
      const target = targets.map(([name]) => name).join(" and ");
      return { target, ...toFault(targets, context) };
    },
  };
}

export function createKill(what: string, choose: SelectTargets): FaultKind {
  return createProcessFault(`${what}: kill -9`, choose, (targets, { random }) => ({
    holdMs: random.integer(...restartMs),
    inject: () => forEachTarget(targets, (one) => one.kill("SIGKILL")),
    end: () => forEachTarget(targets, (one) => one.restart()),
  }));
}

/** How long a supervisor waits before it kills a process. */
const stopMs = 20_000;

/** @param signal signal that stops the process */
export function createStop(
  what: string,
  choose: SelectTargets,
  signal: "SIGTERM" | "SIGINT" = "SIGTERM",
): FaultKind {
  return createProcessFault(`${what}: ${signal}`, choose, (targets, { random }) => ({
    holdMs: random.integer(...restartMs),
    inject: () => forEachTarget(targets, (one) => one.kill(signal)),
    end: () =>
      forEachTarget(targets, async (one) => {
        await Promise.race([one.exited, sleep(stopMs)]);
        await one.restart();
      }),
  }));
}

export function createFreeze(what: string, choose: SelectTargets): FaultKind {
  return createProcessFault(`${what}: SIGSTOP`, choose, (targets, { random, holdMs }) => ({
    holdMs: random.integer(...holdMs),
    inject: () => forEachTarget(targets, (one) => one.kill("SIGSTOP")),
    end: () => forEachTarget(targets, (one) => one.kill("SIGCONT")),
  }));
}

async function forEachTarget(
  targets: Targets,
  act: (one: RestartableProcess) => Promise<unknown>,
): Promise<void> {
  await Promise.all(targets.map(([, one]) => act(one)));
}

/** Sends a signal to a backend process of Postgres. */
export function createBackendSignal(signal: NodeJS.Signals): FaultKind {
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

export function createClockStep(role: "producers" | "consumers"): FaultKind {
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

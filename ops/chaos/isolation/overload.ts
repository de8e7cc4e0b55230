import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { readCpuTimes } from "../../../loadtest/compare/cpu.ts";
import type { ClientsCommand, Tally } from "./load-clients.ts";
import { type ChaosStack, startChaosStack } from "../stack.ts";

export interface OverloadSettings {
  root: string;
  /** How long each load is measured, over all rounds. */
  phaseMs: number;
  print?(text: string): void;
}

/** One measured period. */
export interface Period {
  /** Jobs per second. */
  offered: number;
  accepted: number;
  statuses: ReadonlyMap<number, number>;
  /** Sorted. */
  latenciesMs: readonly number[];
  /** Sorted; seconds, of every refusal. */
  retryAfter: readonly number[];
  /** CPU in µs per accepted job, by process. */
  cpu: Readonly<Record<CpuName, number>>;
}

export const loads = ["capacity", "ignored", "honoured"] as const;
/** `ignored` and `honoured`: what clients do with Retry-After. */
export type LoadName = (typeof loads)[number];
export const cpuNames = ["producers", "caddy", "redis", "postgres", "clients"] as const;
export type CpuName = (typeof cpuNames)[number];

/** With Caddy, whose CPU time per request is the same for refused requests, and without. */
export const routes = ["caddy", "producers"] as const;
export type Route = (typeof routes)[number];

/** The periods of every round, in order. */
export type Overload = Readonly<Record<Route, Readonly<Record<LoadName, readonly Period[]>>>>;

const bulkSize = 200;
const factor = 3;
/** Enough that every part of the service always has work. */
const closedClients = 16;
const everyMs = 500;
const rounds = 5;
const warmUpMs = 1000;

/**
 * Measures how many jobs are accepted when as many are sent as the service takes, and when three times as many are. The
 * three loads alternate, through Caddy and without it, start with empty stores and a warm-up, and come from the same
 * process of clients.
 */
export async function measureOverload({
  root,
  phaseMs,
  print = () => {},
}: OverloadSettings): Promise<Overload> {
  const dir = mkdtempSync(join(tmpdir(), "toril-chaos-"));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const stack = opened.use(await startChaosStack({ root, dir, topology: "single", env: {} }));
  // Accepting is measured; consumers would compete for the processor.
  await Promise.all(stack.consumers.map((consumer) => consumer.kill("SIGKILL")));
  const clients = opened.use(startClients());
  const request = bulk();
  const portOf = (url: string) => Number(new URL(url).port);
  const ports: Record<Route, readonly number[]> = {
    caddy: [portOf(stack.url)],
    producers: stack.producers.map(({ url }) => portOf(url)),
  };

  const createPeriods = (): Record<LoadName, Period[]> => ({
    capacity: [],
    ignored: [],
    honoured: [],
  });
  const overload = { caddy: createPeriods(), producers: createPeriods() };
  const measure = async (command: ClientsCommand) => {
    await clearStores(stack);
    return measurePeriod(stack, clients, command, phaseMs / rounds);
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const route of routes) {
      const periods = overload[route];
      await clients.do({ kind: "connect", ports: ports[route], request });
      for (const load of loads) {
        const capacity = median(periods.capacity.map(({ accepted }) => accepted));
        const period = await measure(
          load === "capacity"
            ? { kind: "closed", clients: closedClients }
            : {
                kind: "open",
                clients: Math.ceil((factor * capacity * everyMs) / 1000 / bulkSize),
                everyMs,
                isRetryAfterHonoured: load === "honoured",
              },
        );
        periods[load].push(period);
        print(`  ${route}: ${describe(load, period)}`);
      }
    }
  }
  return overload;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function describe(load: LoadName, { offered, accepted, latenciesMs, statuses, cpu }: Period) {
  const p99 = latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? Number.NaN;
  const used = cpuNames.map((name) => `${name} ${cpu[name].toFixed(0)}`).join(", ");
  return (
    `${load}: offered ${offered.toFixed(0)} jobs/s, accepted ${accepted.toFixed(0)}, p99 ${p99.toFixed(0)} ms, ` +
    `${JSON.stringify([...statuses])}; CPU per accepted job in µs: ${used}`
  );
}

function bulk(): string {
  const jobs = Array.from({ length: bulkSize }, () => ({ type: "echo", data: { message: "a" } }));
  const body = JSON.stringify(jobs);
  const head = [
    "POST /v1/jobs/bulk HTTP/1.1",
    "Host: 127.0.0.1",
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

async function clearStores({ sql, topology }: ChaosStack) {
  await sql`truncate jobs cascade`;
  for (const { server } of topology.servers) await server.client.flushall();
  await sql`checkpoint`;
}

async function measurePeriod(
  { producers, caddy, postgres, topology }: ChaosStack,
  clients: Clients,
  command: ClientsCommand,
  phaseMs: number,
): Promise<Period> {
  const readCpu = () => {
    const pids = {
      one: producers[0]?.pid ?? 0,
      other: producers[1]?.pid ?? 0,
      caddy: caddy.pid,
      redis: topology.servers[0]?.server.pid ?? 0,
      postgres: postgres.pid,
      clients: clients.pid,
    };
    const { one, other, ...rest } = readCpuTimes(pids);
    return { producers: one + other, ...rest };
  };
  await clients.do(command);
  await sleep(warmUpMs);
  const before = readCpu();
  await clients.do({ kind: "reset" });
  const startedAt = performance.now();
  await sleep(phaseMs);
  const after = readCpu();
  const seconds = (performance.now() - startedAt) / 1000;
  const tally = await clients.do({ kind: "stop" });
  if (tally === null) throw new Error("the clients did not count");
  const statuses = new Map(tally.statuses);
  const accepted = ((statuses.get(201) ?? 0) + (statuses.get(202) ?? 0)) * bulkSize;
  const cpu = { ...before };
  for (const name of cpuNames) cpu[name] = (after[name] - before[name]) / accepted;
  return {
    offered: (tally.sent * bulkSize) / seconds,
    accepted: accepted / seconds,
    statuses,
    latenciesMs: tally.latenciesMs.toSorted((a, b) => a - b),
    retryAfter: tally.retryAfterSeconds.toSorted((a, b) => a - b),
    cpu,
  };
}

interface Clients extends AsyncDisposable {
  pid: number;
  do(command: ClientsCommand): Promise<Tally | null>;
}

function startClients(): Clients {
  let next = Promise.withResolvers<Tally | null>();
  const child = Bun.spawn([process.execPath, join(import.meta.dirname, "load-clients.ts")], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc: (reply: Tally | null) => next.resolve(reply),
    onExit: (_, code) => next.reject(new Error(`the clients ended with exit code ${code}`)),
  });
  return {
    pid: child.pid,
    do(command) {
      next = Promise.withResolvers();
      child.send(command);
      return next.promise;
    },
    async [Symbol.asyncDispose]() {
      next.promise.catch(() => {});
      child.kill();
      await child.exited;
    },
  };
}

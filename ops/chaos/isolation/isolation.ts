import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { queueKeys } from "@toril/contract/engine/redis/names";
import { issueKey } from "@toril/contract/engine/api-keys/key-ledger";
import type { Sql } from "postgres";

import { recordChangeAs } from "../../cli/audit/record-change.ts";
import { startChild } from "../../dev/processes/child.ts";
import { until } from "../../dev/until.ts";
import { createSend, type Send } from "../send.ts";
import {
  largeFeed,
  type Misbehaviour,
  misbehaviours,
  noisyTenant,
  type Setup,
} from "./misbehaviours.ts";
import { type ChaosStack, startChaosStack } from "../stack.ts";

export interface IsolationSettings {
  root: string;
  /** How long each misbehaviour is measured. */
  phaseMs: number;
  /** Part of the names of the misbehaviours to measure; all by default. */
  only?: string | undefined;
  print?(text: string): void;
  signal?: AbortSignal;
}

/** What the quiet tenant observes. */
export interface Measurement {
  name: string;
  posts: number;
  failed: number;
  p50Ms: number;
  p99Ms: number;
  /** From the creation of a job until it was settled. */
  settledP99Ms: number;
  runs: number;
  expectedRuns: number;
  latestMs: number;
  /** Jobs that schedules of the other tenant enqueued. */
  otherRunsPerSecond: number;
  producerMb: number;
  consumerMb: number;
  /** Responses to the misbehaving tenant. */
  answers: string;
}

const quietTenant = "quiet";
export const postEveryMs = 50;
const scheduleEveryMs = 5000;
export const scheduleCount = 4;

/** Measures a quiet tenant alone, and then while another tenant misbehaves in one way after the other. */
export async function measureIsolation(settings: IsolationSettings): Promise<Measurement[]> {
  const { root, phaseMs, only, print = () => {}, signal } = settings;
  const dir = mkdtempSync(join(tmpdir(), "toril-chaos-"));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const env = { FEED_ALLOW_PRIVATE_ADDRESSES: "true", WORKER_KEY_RATE_LIMITS: "feed.fetch=off" };
  const stack = opened.use(await startChaosStack({ root, dir, topology: "single", env }));
  const { sql, url } = stack;
  const feed = largeFeed();
  const headers = { "Content-Type": "application/rss+xml" };
  const feedServer = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response(feed, { headers }),
  });
  opened.defer(() => feedServer.stop(true));

  const [quiet, noisy] = [await createKey(sql, quietTenant), await createKey(sql, noisyTenant)];
  const send = createSend(url, quiet);
  const isClosed = async () => (await createSend(url)("/v1/jobs"))?.status === 401 || undefined;
  await until("keys are required", isClosed, { timeoutMs: 30_000 });
  for (let number = 0; number < scheduleCount; number += 1) {
    const job = { type: "echo", data: { message: "on time" } };
    const json = { everyMs: scheduleEveryMs, overlap: "queue", job };
    await send(`/v1/schedules/quiet-${number}`, { method: "PUT", json });
  }
  const preparation: Setup = {
    sql,
    send: createSend(url, noisy),
    async setMeta(queue, field, value) {
      for (const { server } of stack.topology.servers) {
        await server.client.hset(queueKeys("bull", queue).meta, field, value);
      }
    },
  };

  const results = [await measure(stack, send, { name: "no other tenant", phaseMs })];
  print(describe(results[0]));
  for (const one of misbehaviours) {
    if (signal?.aborted || (only !== undefined && !one.name.includes(only))) continue;
    await one.prepare?.(preparation);
    const target = { url, key: noisy, feedUrl: `http://127.0.0.1:${feedServer.port}/feed.xml` };
    const child = await startMisbehaving(dir, one, target);
    // Measure after it has started.
    await sleep(1000);
    const measured = await measure(stack, send, { name: one.name, phaseMs });
    await child.stop();
    const answers = readFileSync(child.logFile, "utf8").trim().split("\n").at(-1) ?? "";
    const { otherRunsPerSecond: rate } = measured;
    const runs = rate === 0 ? "" : `${rate.toFixed(0)} schedule runs/s`;
    measured.answers = [answers, runs].filter(Boolean).join("; ");
    results.push(measured);
    print(describe(measured));
    await one.clean?.(preparation);
    await waitUntilQuiet(sql);
  }
  return results;
}

function describe(measured: Measurement | undefined): string {
  if (measured === undefined) return "";
  const { name, posts, failed, p50Ms, p99Ms, settledP99Ms, latestMs, runs, expectedRuns } =
    measured;
  return (
    `  ${name}: ${posts} POSTs, ${failed} failed, p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms, ` +
    `settled p99 ${settledP99Ms.toFixed(0)} ms, ${runs} of ${expectedRuns} runs, ${latestMs.toFixed(0)} ms late at most, ` +
    `producer ${measured.producerMb} MB, consumer ${measured.consumerMb} MB (${measured.answers})`
  );
}

async function createKey(sql: Sql, tenant: string): Promise<string> {
  const request = {
    name: tenant,
    scopes: ["jobs:write" as const, "jobs:read" as const],
    queues: null,
    types: null,
    quotas: null,
    expiresAt: null,
  };
  return (await issueKey(sql, tenant, request, recordChangeAs("chaos", "createKey"))).key;
}

function startMisbehaving(dir: string, { name }: Misbehaviour, target: object) {
  return startChild({
    name,
    command: process.execPath,
    args: [join(import.meta.dirname, "run-misbehaviour.ts"), name, JSON.stringify(target)],
    env: { PATH: process.env["PATH"] },
    logFile: join(dir, "logs", "misbehave.log"),
    stopMs: 5000,
  });
}

async function measure(
  stack: ChaosStack,
  send: Send,
  { name, phaseMs }: { name: string; phaseMs: number },
): Promise<Measurement> {
  const { sql } = stack;
  const [{ now: since }] = await sql<[{ now: Date }]>`select now()`;
  const startedAt = performance.now();
  const latencies: number[] = [];
  let failed = 0;
  let number = 0;
  const memory = { producers: 0, consumers: 0 };

  async function post() {
    number += 1;
    const sentAt = performance.now();
    const keyed = number % 4 === 0 ? { idempotencyKey: `${name}-${number}` } : {};
    const json = { type: "echo", data: { message: "quiet" } };
    const answer = await send("/v1/jobs", { json, ...keyed });
    latencies.push(performance.now() - sentAt);
    if (answer === undefined || answer.status >= 300) failed += 1;
  }

  const posts: Promise<void>[] = [];
  for (let at = startedAt; at < startedAt + phaseMs; at += postEveryMs) {
    // Lateness of this process is not latency of the service.
    await sleep(Math.max(0, at - performance.now()));
    posts.push(post());
    if (posts.length % 10 > 0) continue;
    for (const role of ["producers", "consumers"] as const) {
      memory[role] = Math.max(memory[role], ...stack[role].map(({ pid }) => residentMb(pid)));
    }
  }
  await Promise.all(posts);
  const [other] = await sql<[{ runsPerSecond: number }]>`
    select count(*) / extract(epoch from clock_timestamp() - ${since})::float8 as "runsPerSecond"
    from jobs where tenant = ${noisyTenant} and schedule is not null and created_at >= ${since}`;
  const schedules = await readRuns(sql, since);
  const [ledger] = await sql<[{ settledP99Ms: number | null }]>`
    select percentile_cont(0.99) within group (order by extract(epoch from settled_at - created_at) * 1000)
      as "settledP99Ms"
    from jobs where tenant = ${quietTenant} and schedule is null and created_at >= ${since}`;
  latencies.sort((a, b) => a - b);
  return {
    name,
    posts: latencies.length,
    failed,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? Number.NaN,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN,
    settledP99Ms: ledger.settledP99Ms ?? Number.NaN,
    ...schedules,
    otherRunsPerSecond: other.runsPerSecond,
    producerMb: memory.producers,
    consumerMb: memory.consumers,
    answers: "",
  };
}

/** Counts the runs of the fire times between `since` and now, by Postgres' clock. Fire times are multiples of the interval. */
async function readRuns(sql: Sql, since: Date) {
  const [{ now }] = await sql<[{ now: Date }]>`select now()`;
  const toFireTime = (at: Date) => Math.floor(at.getTime() / scheduleEveryMs) * scheduleEveryMs;
  const [before, last] = [toFireTime(since), toFireTime(now)];
  const expectedRuns = ((last - before) / scheduleEveryMs) * scheduleCount;
  const read = async () => {
    const [row] = await sql<[{ runs: number; latestMs: number | null }]>`
      select count(*)::int as runs,
             max((extract(epoch from created_at) * 1000)::numeric % ${scheduleEveryMs})::float as "latestMs"
      from jobs
      where tenant = ${quietTenant} and schedule is not null
        and created_at >= ${new Date(before + scheduleEveryMs)} and created_at < ${new Date(last + scheduleEveryMs)}`;
    return row;
  };
  // The last fire time may be a moment ago.
  const areAllDone = async () => (await read()).runs >= expectedRuns || undefined;
  await until("all runs", areAllDone, { timeoutMs: scheduleEveryMs / 2 }).catch(() => {});
  const { runs, latestMs } = await read();
  return { runs, expectedRuns, latestMs: latestMs ?? Number.NaN };
}

/** Resident memory of a process in MB; 0 if it cannot be read. */
function residentMb(pid: number): number {
  const file = `/proc/${pid}/status`;
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024);
}

/** Waits until the jobs of the misbehaving tenant are processed: the next measurement must not include them. */
async function waitUntilQuiet(sql: Sql): Promise<void> {
  const isQuiet = async () => {
    const [{ pending }] = await sql<[{ pending: number }]>`
      select count(*)::int as pending from jobs where status = 'pending' and (run_at is null or run_at < now())`;
    return pending < 100 || undefined;
  };
  const limits = { timeoutMs: 300_000, everyMs: 500 };
  await until("the backlog of the misbehaving tenant is processed", isQuiet, limits);
  await sleep(1000);
}

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { createSend, type Send } from "./send.ts";
import { startChaosStack } from "./stack.ts";

export interface OverloadSettings {
  root: string;
  phaseMs: number;
  print?(text: string): void;
}

export interface Overload {
  /** Jobs per second that are accepted when each client waits for its response. */
  capacity: number;
  offered: number;
  accepted: number;
  /** Responses by status. */
  statuses: ReadonlyMap<number, number>;
  /** Seconds, of every refusal. */
  retryAfter: readonly number[];
  /** Of accepted requests. */
  p99Ms: number;
}

const bulkSize = 200;
const factor = 3;
const closedClients = 8;

/** Measures how many jobs are accepted when as many are sent as the service takes, and when three times as many are. */
export async function measureOverload({
  root,
  phaseMs,
  print = () => {},
}: OverloadSettings): Promise<Overload> {
  const dir = mkdtempSync(join(tmpdir(), "toril-chaos-"));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const stack = opened.use(await startChaosStack({ root, dir, topology: "single", env: {} }));
  const send = createSend(stack.url);
  // What is measured is accepting; consumers that work at the same time would take the processor from it.
  await send("/v1/queues/default/pause", { method: "POST" });

  const jobs = Array.from({ length: bulkSize }, () => ({ type: "echo", data: { message: "a" } }));
  const body = JSON.stringify(jobs);
  const post = createPost(send, body);
  await closedLoop(post, 1000);
  const closed = await closedLoop(post, phaseMs);
  const capacity = (closed.accepted * bulkSize) / (phaseMs / 1000);
  print(`  capacity: ${Math.round(capacity)} jobs/s`);

  const rate = (capacity * factor) / bulkSize;
  const open = await openLoop(post, rate, phaseMs);
  const accepted = (open.accepted * bulkSize) / (open.tookMs / 1000);
  const offered = (open.sent * bulkSize) / (phaseMs / 1000);
  print(`  offered ${Math.round(offered)} jobs/s, accepted ${Math.round(accepted)} jobs/s`);
  open.latencies.sort((a, b) => a - b);
  return {
    capacity,
    offered,
    accepted,
    statuses: open.statuses,
    retryAfter: open.retryAfter,
    p99Ms: open.latencies[Math.floor(open.latencies.length * 0.99)] ?? Number.NaN,
  };
}

interface Tally {
  accepted: number;
  statuses: Map<number, number>;
  retryAfter: number[];
  latencies: number[];
}

type Post = (tally: Tally) => Promise<void>;

function createPost(send: Send, body: string): Post {
  const headers = { "Content-Type": "application/json" };
  return async (tally) => {
    const sentAt = performance.now();
    const answer = await send("/v1/jobs/bulk", { body, headers });
    const status = answer?.status ?? 0;
    tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1);
    if (status === 503) tally.retryAfter.push(Number(answer?.headers.get("retry-after")));
    if (status !== 201 && status !== 202) return;
    tally.accepted += 1;
    tally.latencies.push(performance.now() - sentAt);
  };
}

function createTally(): Tally {
  return { accepted: 0, statuses: new Map(), retryAfter: [], latencies: [] };
}

async function closedLoop(post: Post, ms: number): Promise<Tally> {
  const tally = createTally();
  const endsAt = performance.now() + ms;
  async function client() {
    while (performance.now() < endsAt) await post(tally);
  }
  await Promise.all(Array.from({ length: closedClients }, client));
  return tally;
}

async function openLoop(post: Post, perSecond: number, ms: number) {
  const tally = createTally();
  const startedAt = performance.now();
  const posts: Promise<void>[] = [];
  while (performance.now() - startedAt < ms) {
    const due = ((performance.now() - startedAt) / 1000) * perSecond;
    while (posts.length < due) posts.push(post(tally));
    await sleep(2);
  }
  // What was accepted later than this was accepted after the overload.
  const { accepted } = tally;
  const tookMs = performance.now() - startedAt;
  await Promise.all(posts);
  return { ...tally, accepted, tookMs, sent: posts.length };
}

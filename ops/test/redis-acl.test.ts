import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { jobKey, lockKey, queueKeys } from "@toril/contract/engine/redis/names";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import type { NewApiKey } from "@toril/contract/api/access/api-key";
import { issueKey } from "@toril/contract/engine/api-keys/key-ledger";
import { readEvents } from "@toril/client/read-events";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo, getJobId, postJob, postMany } from "./_api.ts";
import { type RedisProcess, startRedisProcess } from "../dev/stores/redis-process.ts";
import { root, startStack, type Stack } from "./_stack.ts";

const password = "test-password";
const users = readFileSync(join(root, "ops/redis/users.acl"), "utf8");
const dir = mkdtempSync(join(tmpdir(), "toril-acl-"));
let redis: RedisProcess;
let stack: Stack;

beforeAll(async () => {
  const file = join(dir, "users.acl");
  const hash = createHash("sha256").update(password).digest("hex");
  writeFileSync(file, users.replaceAll(/^(user \S+ on) resetpass/gm, `$1 #${hash}`));
  redis = await startRedisProcess({
    dir: join(dir, "redis"),
    args: ["--aclfile", file],
    credentials: { username: "admin", password },
  });
  const address = { REDIS_URL: "", REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port) };
  stack = await startStack({
    producers: 0,
    consumers: 0,
    env: { ...address, REDIS_PASSWORD: password },
  });
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const _startProducer = () => stack.startProducer({ REDIS_USERNAME: "toril-producer" });
const _startConsumer = (more = {}) =>
  stack.startConsumer({
    REDIS_USERNAME: "toril-consumer",
    FEED_ALLOW_PRIVATE_ADDRESSES: "true",
    ...more,
  });

test("no Redis user can log in without a password", () => {
  expect(users).not.toContain("nopass");
  expect(users.match(/^user \S+ on (?!resetpass )/gm)).toBeNull();
});

test("a producer uses exactly the commands granted to toril-producer", async () => {
  const used = await _used(async () => {
    await using producer = await _startProducer();
    const { url } = producer;
    const answer = await postJob(url, echo("now"));
    expect(answer.status).toBe(201);
    expect(await (await fetch(`${url}/v1/jobs/${getJobId(answer)}`)).json()).toMatchObject({
      state: "waiting",
    });
    await postMany(url, 20);
    await postMany(url, 20, 3_600_000);
    await _cancelOnes(url);
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ status: "ok" });
    await _follow(`${url}/v1/events`);
    await _walkOver(`${url}/admin/queues`, getJobId(answer));
    await _operate(`${url}/v1/queues/default`);
    await _postWithQuota(url);
  });
  await _expectGrants("toril-producer", used);
});

test("a consumer uses exactly the commands granted to toril-consumer", async () => {
  const { until } = stack;
  const { client } = redis;
  const { wait, active, failed } = queueKeys("bull", "default");
  await using feed = await _serveFeed();
  // Its jobs are recorded, and dispatched by the reconciler.
  await using recorder = await stack.startProducer({ REDIS_PORT: "1" });
  const record = async (job: JobRequest) => getJobId(await postJob(recorder.url, job));
  const hasEnded = (id: string) => async () => {
    const [row] = await stack.sql`select status from jobs where id = ${id}`;
    return row?.["status"] === "pending" ? undefined : row?.["status"];
  };

  const used = await _used(async () => {
    // With a score of 0, as if it had failed in 1970: failed jobs are deleted after a week.
    await client.call("GEOADD", failed, -180, -85.05112878, "long ago");
    await postMany(recorder.url, 30);
    await postMany(recorder.url, 1, 3_600_000);
    const fetching = await record({ type: "feed.fetch", data: { url: feed.url } });
    const failing = await record(echo("fails", { failures: 10 }));
    {
      const limit = { WORKER_RATE_LIMIT_MAX: "10", WORKER_RATE_LIMIT_DURATION_MS: "200" };
      await using limited = await _startConsumer(limit);
      expect(await until("the feed is fetched", hasEnded(fetching))).toBe("completed");
      expect(await until("the retries are used up", hasEnded(failing))).toBe("dead");
      const stalling = await record(echo("stalls", { sleepMs: 3000 }));
      const isActive = async () => (await client.lindex(active, 0)) === stalling || undefined;
      await until("it runs", isActive);
      await limited.kill("SIGKILL");
      await using _ = await _startConsumer();
      expect(await until("it ran again", hasEnded(stalling))).toBe("completed");
    }
    await client.flushall();
    // Serves another queue, so that it only reconciles.
    await using _ = await _startConsumer({ BULL_QUEUE_NAME: "feeds" });
    const id = await record(echo("waits"));
    const waits = async () => (await client.lindex(wait, 0)) === id || undefined;
    await until("it waits", waits);
    await client.unlink(wait);
    await until("it is in a list again", waits);
    const hash = jobKey("bull", "default", id);
    await client.hsetnx(hash, "returnvalue", '{"message":"done"}');
    await client.hsetnx(hash, "finishedOn", 1);
    expect(await until("what another worker did is settled", hasEnded(id))).toBe("completed");
  });
  await _expectGrants("toril-consumer", used);
});

test("toril-consumer may use all commands of BullMQ's worker scripts", () => {
  const scripts = join(dirname(Bun.resolveSync("bullmq", import.meta.dir)), "scripts");
  const used =
    /^(move(To(Active|Delayed|Finished)|JobFrom|Stalled)|retryJob|extendLock|releaseLock|updateProgress|saveStacktrace).*\.js$/;
  const files = readdirSync(scripts).filter((file) => used.test(file));
  const texts = files.map((file) => readFileSync(join(scripts, file), "utf8"));
  const calls = texts.flatMap((text) => [...text.matchAll(/call\(["'](\w+)["']/g)]);
  const commands = new Set(calls.map(([, command]) => command!.toLowerCase()));
  expect(commands.size).toBeGreaterThan(30);
  const granted = _granted("toril-consumer");
  expect([...commands].filter((command) => !granted.includes(command))).toEqual([]);
});

async function _serveFeed() {
  const server = createServer((_, response) => {
    response.setHeader("Content-Type", "application/feed+json");
    response.end(readFileSync(join(root, "ops/examples/feed.json")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Only job types with the worker `pull` cause these commands; the shipped types have none. */
const ofWorkers = Object.fromEntries(
  "bzpopmin hmset ltrim mget srem zrangebyscore zremrangebyrank zremrangebyscore"
    .split(" ")
    .map((command) => [command, "workers that take jobs over HTTP"]),
);

/** Granted for cases that the test cannot trigger. */
const spare: Record<string, Record<string, string>> = {
  "toril-producer": {
    incr: "dispatch.lua, for jobs with a priority",
    rpush: "dispatch.lua, for jobs that go first",
    ...ofWorkers,
  },
  "toril-consumer": {
    publish: "an operation that cancels what runs",
    rpoplpush: "BullMQ's moveToFinished, if it took the next job",
    scard: "BullMQ's moveToFinished, for jobs that take.lua does not finish",
  },
};

/** The producers add to the activity of the overview once every few seconds: the test may end before. */
const timed = new Set(["hincrby"]);

async function _expectGrants(user: string, used: ReadonlySet<string>) {
  expect(await redis.client.call("ACL", "LOG")).toEqual([]);
  const unused = _granted(user).filter((command) => !used.has(command) && !timed.has(command));
  expect(unused.toSorted()).toEqual(Object.keys(spare[user]!).toSorted());
}

/** Cancels a waiting and an active job. */
async function _cancelOnes(url: string) {
  for (const isRunning of [false, true]) {
    const id = getJobId(await postJob(url, echo("cancelled")));
    if (isRunning) await redis.client.set(lockKey("bull", "default", id), "token");
    const answer = await fetch(`${url}/v1/jobs/${id}`, { method: "DELETE" });
    expect(answer.status).toBe(200);
  }
}

async function _postWithQuota(url: string) {
  const limited: NewApiKey = {
    name: "limited",
    scopes: ["jobs:write"],
    queues: null,
    types: null,
    quotas: { rate: 100 },
    expiresAt: null,
  };
  const { key } = await issueKey(stack.sql, "default", limited, async () => {});
  const answer = await fetch(`${url}/v1/jobs`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify(echo("counted")),
  });
  expect([answer.status, answer.headers.has("RateLimit")]).toEqual([201, true]);
  // Later producers must not require keys.
  await stack.sql`truncate api_keys`;
}

/** Uses all operations on a queue. */
async function _operate(queue: string) {
  await redis.client.call("GEOADD", queueKeys("bull", "default").failed, -180, -85.05112878, "old");
  const send = (verb: string, method = "POST", body?: object) =>
    fetch(`${queue}${verb}`, {
      method,
      headers: { "Content-Type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    });
  const answers = [
    await send("/pause"),
    await send("/resume"),
    await send("", "PATCH", { rateLimit: { max: 5, durationMs: 1000 } }),
    await send("/clean", "POST", { state: "failed", olderThanMs: 0 }),
    await send("/drain?delayed=true"),
    await send("", "GET"),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
}

/** Follows a stream from the first event in Redis. */
async function _follow(url: string) {
  const response = await fetch(url, { headers: { "Last-Event-ID": "default:0-0" } });
  for await (const { event } of readEvents(response.body!)) if (event === "waiting") break;
}

/** Requests all pages of the dashboard. */
async function _walkOver(board: string, id: string) {
  const queue = "default";
  const own = ["workers", "rate-limit", "metrics", "default-job-options", id];
  const ofJob = [`${id}/logs`, `${id}/flow`];
  const states = ["latest", "waiting", "active", "delayed", "prioritized", "completed", "failed"];
  const pages = [
    ["/api/redis/stats", "/api/job-schedulers"],
    [...own, ...ofJob].map((page) => `/api/queues/${queue}/${page}`),
    states.map((state) => `/api/queues?activeQueue=${queue}&status=${state}&page=1`),
  ].flat();
  const answers = await Promise.all(pages.map((page) => fetch(`${board}${page}`)));
  expect(answers.filter(({ status }) => status !== 200).map(({ url }) => url)).toEqual([]);
}

/** Returns the commands that Redis executed during `work`, including those in scripts. */
async function _used(work: () => Promise<void>): Promise<ReadonlySet<string>> {
  await redis.client.config("RESETSTAT");
  await work();
  const stats = await redis.client.info("commandstats");
  return new Set([...stats.matchAll(/^cmdstat_(.*?):/gm)].map(([, name]) => name ?? ""));
}

function _granted(user: string): string[] {
  const line = users.split("\n").find((text) => text.startsWith(`user ${user} `)) ?? "";
  return [...line.matchAll(/ \+(\S+)/g)].map(([, command]) => command ?? "");
}

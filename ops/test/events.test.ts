import { queueKeys } from "@toril/contract/engine/redis/names";
import { readEvents } from "@toril/client/read-events";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo, getJobId, postJob, postMany } from "./_api.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;
let url: string;

beforeAll(async () => {
  stack = await startStack();
  url = stack.producers[0]!.url;
});
afterAll(() => stack[Symbol.asyncDispose]());

test("a job's event stream reports all states from the snapshot to the end", async () => {
  const { client } = stack;
  const job = await client.createJob({
    type: "echo",
    data: { message: "a", sleepMs: 300, failures: 1 },
    delayMs: 500,
    backoff: { type: "fixed", delay: 300 },
  });
  const events = await Array.fromAsync(client.followJob(job.id));
  expect(events.map(({ event }) => event)).toEqual([
    "snapshot",
    "waiting",
    "active",
    "failed",
    "waiting",
    "active",
    "completed",
  ]);
  const [failed, last] = [events[3]!, events.at(-1)!];
  expect(failed.data).toMatchObject({ attempts: 1, status: "pending", runAt: expect.any(String) });
  expect(last.data).toMatchObject({ attempts: 2, job: { result: { message: "a" } } });
});

test("the event stream of a job without attempts left ends with dead", async () => {
  const { client } = stack;
  const { id } = await client.createJob({
    type: "echo",
    data: { message: "a", failures: 9, sleepMs: 300 },
    attempts: 1,
  });
  const events = await Array.fromAsync(client.followJob(id));
  expect(events.at(-1)).toMatchObject({ event: "dead", data: { job: { status: "dead" } } });
});

test("Prefer: wait returns the completed job, also to a duplicate request", async () => {
  const { client } = stack;
  const request = {
    type: "echo" as const,
    data: { message: "waited for", sleepMs: 500 },
    key: "one",
  };
  const [first, second] = await Promise.all([
    client.createJob(request, { wait: 30 }),
    client.createJob(request, { wait: 30 }),
  ]);
  expect(first).toMatchObject({ status: "completed", result: { message: "waited for" } });
  expect(second).toEqual(first);
});

test("200 event streams use one Redis connection, and each contains every job", async () => {
  const connections = async () => {
    const list = await stack.redisClient.client("LIST");
    return String(list).trim().split("\n").length;
  };
  const reading = async () => String(await stack.redisClient.client("LIST")).match(/cmd=xread/g);
  await using producer = await stack.startProducer();
  const { id } = await stack.client.createJob({
    type: "echo",
    data: { message: "far" },
    delayMs: 3_600_000,
  });
  const before = await connections();
  const readingBefore = (await reading())?.length ?? 0;
  const leaving = new AbortController();
  const paths = ["/v1/events", "/v1/queues/default/events", `/v1/jobs/${id}/events`, "/v1/events"];
  const heard = Array.from({ length: 200 }, () => new Set<string>());
  const listening: Promise<void>[] = [];
  await Promise.all(
    heard.map(async (ids, index) => {
      const response = await fetch(`${producer.url}${paths[index % paths.length]}`, {
        signal: leaving.signal,
      });
      expect(response.status).toBe(200);
      const listen = async () => {
        for await (const { event, data } of readEvents(response.body!)) {
          if (event === "completed") ids.add(JSON.parse(data).id);
        }
      };
      listening.push(listen().catch(() => {}));
    }),
  );
  await stack.until(
    "the producer reads the streams",
    async () => ((await reading())?.length ?? 0) > readingBefore || undefined,
  );
  expect(await connections()).toBe(before + 1);
  const { results } = await postMany(url, 50);
  const ids = results.map((entry) => ("id" in entry ? entry.id : ""));
  const wide = heard.filter((_, index) => index % paths.length !== 2);
  expect(wide).toHaveLength(150);
  await stack.until(
    "every stream has every job",
    async () => wide.every((seen) => ids.every((one) => seen.has(one))) || undefined,
  );
  expect(await connections()).toBe(before + 1);
  leaving.abort();
  await Promise.all(listening);
});

test("a stream resumed after a producer's restart misses no event", async () => {
  const producer = await stack.startProducer();
  const other = await stack.startProducer();
  const completed: string[] = [];
  const gaps: string[] = [];
  const leaving = new AbortController();
  let lastEventId: string | undefined;
  async function listenTo(address: string) {
    const headers: Record<string, string> = lastEventId ? { "Last-Event-ID": lastEventId } : {};
    const response = await fetch(`${address}/v1/events`, { headers, signal: leaving.signal });
    const events = readEvents(response.body!, (id) => (lastEventId = id));
    for await (const { event, data } of events) {
      if (event === "completed") completed.push(JSON.parse(data).id);
      if (event === "gap") gaps.push(data);
    }
  }
  const listening = listenTo(producer.url).catch(() => {});
  await stack.until("the stream is open", async () => lastEventId);
  const ids = await Promise.all(
    [1, 2, 3].map(async (n) => getJobId(await postJob(url, echo(`${n}`)))),
  );
  await stack.until(
    "the events arrive",
    async () => ids.every((id) => completed.includes(id)) || undefined,
  );
  await producer.kill("SIGKILL");
  await listening;
  const { results } = await postMany(url, 700);
  ids.push(...results.map((entry) => ("id" in entry ? entry.id : "")));
  await producer.restart();
  const again = listenTo(producer.url).catch(() => {});
  ids.push(getJobId(await postJob(other.url, echo("last"))));
  await stack.until("all events arrive", async () => completed.length >= ids.length || undefined);
  expect(completed.toSorted()).toEqual(ids.toSorted());
  expect(gaps).toEqual([]);
  leaving.abort();
  await again;
});

test("events that Redis lost are reported as a gap, and later events follow", async () => {
  const { client, redisClient } = stack;
  const leaving = new AbortController();
  const { events } = queueKeys("bull", "default");
  const [last] = await redisClient.xrevrange(events, "+", "-", "COUNT", 1);
  await redisClient.del(events);
  const id = getJobId(await postJob(url, echo("after")));
  await client.getJob(id, { wait: 30 });
  const received: string[] = [];
  const lastEventId = `default:${last![0]}`;
  for await (const { event } of client.followQueue("default", {
    lastEventId,
    signal: leaving.signal,
  })) {
    received.push(event);
    if (event === "completed") break;
  }
  expect(received).toEqual(["gap", "waiting", "active", "completed"]);
});

test("the event stream of an import ends when it is done", async () => {
  const rows = Array.from({ length: 500 }, (_, row) => `${row}`).join("\n");
  const { id } = await stack.client.createImport(`row\n${rows}\n`, { type: "row.import" });
  const events = await Array.fromAsync(stack.client.followImport(id));
  expect(events.at(-1)!.data).toMatchObject({ status: "done", counts: { completed: 500 } });
});

test("without Redis, a waiting request still gets the job's result", async () => {
  const { client } = stack;
  const { id } = await client.createJob({ type: "echo", data: { message: "a", sleepMs: 1500 } });
  await stack.until("the job is active", async () =>
    (await client.getJob(id)).state === "active" ? true : undefined,
  );
  await stack.redis.kill("SIGKILL");
  const waited = await client.getJob(id, { wait: 30 });
  expect(waited.status).toBe("completed");
  await stack.redis.restart();
});

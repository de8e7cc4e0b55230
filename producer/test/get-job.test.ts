import { afterAll, afterEach, expect, test } from "bun:test";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { createLiveJobs } from "../src/jobs/live-jobs.ts";
import { _echo, _openStores, _startProducer } from "./_producer.ts";

const stores = await _openStores();
const producer = await _startProducer(stores);

afterEach(() => stores.clear());
afterAll(async () => {
  await producer.close();
  await stores.close();
});

test("a job shows its position in the queue: jobs without priority first, oldest first", async () => {
  const ids: string[] = [];
  for (const more of [{ priority: 5 }, { priority: 2 }, {}, {}, { order: "lifo" }]) {
    ids.push((await producer.post(_echo("a", more))).body.id);
  }
  const jobs = await Promise.all(ids.map((id) => producer.client.getJob(id)));
  expect(jobs.map((job) => job.position)).toEqual([5, 4, 2, 3, 1]);
  const { body } = await producer.post(_echo("a", { delayMs: 60_000 }));
  expect((await producer.client.getJob(body.id)).position).toBeNull();
});

test("a job shows its estimated start time if the rate of its queue is known", async () => {
  const runAt = new Date(Date.now() + 60_000).toISOString();
  const { body: delayed } = await producer.post(_echo("a", { runAt }));
  expect((await producer.client.getJob(delayed.id)).estimatedStartAt).toBe(runAt);
  const { body: waiting } = await producer.post(_echo());
  // No worker takes jobs here.
  expect((await producer.client.getJob(waiting.id)).estimatedStartAt).toBeNull();
  const at = {
    readStates: async () => [{ state: "waiting" }],
    readDetail: async () => ({ position: 50 }),
  };
  const live = createLiveJobs({
    jobTypes: shippedRegistry,
    ...at,
    getDequeueRate: () => 10,
  } as never);
  const row = { status: "pending", options: {}, createdAt: new Date(), data: {} };
  const before = Date.now();
  const { estimatedStartAt } = await live.toJobDetail(row as never);
  // 50 jobs before it, 10 a second.
  expect(Date.parse(estimatedStartAt ?? "") - 5000).toBeWithin(before, Date.now() + 1);
});

test("a job shows the time, duration and worker of its attempts", async () => {
  const { body } = await producer.post(_echo());
  const startedAt = "2026-11-28T09:00:00.000Z";
  const lost = {
    attempt: 1,
    at: startedAt,
    name: "AttemptLost",
    message: "gone",
    startedAt,
    worker: "a:1",
  };
  const failed = { ...lost, attempt: 2, name: "Error", durationMs: 7 };
  await stores.sql`
    update jobs set status = 'completed', settled_at = now(), attempts = 3, started_at = ${startedAt}, duration_ms = 12,
      worker = 'b:2', failures = ${JSON.stringify([lost, failed])}::text::jsonb`;

  const job = await producer.client.getJob(body.id);

  expect(job).toMatchObject({ startedAt, attempts: { made: 3 } });
  expect(job.attemptHistory).toEqual([
    { attempt: 1, outcome: "lost", startedAt, durationMs: null, worker: "a:1" },
    { attempt: 2, outcome: "failed", startedAt, durationMs: 7, worker: "a:1" },
    { attempt: 3, outcome: "completed", startedAt, durationMs: 12, worker: "b:2" },
  ]);
});

test("the ETag changes with the content of the response", async () => {
  const { body } = await producer.post(_echo());
  const path = `/v1/jobs/${body.id}`;
  const ask = (tag: string) => producer.request(path, { headers: { "If-None-Match": tag } });
  const first = await producer.request(path);
  const tag = first.headers.get("etag") ?? "";
  expect(tag).toMatch(/^"[\w-]+\.[0-9a-f]{16}"$/);
  for (const same of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
    const { status, headers } = await ask(same);
    expect([status, headers.get("etag")]).toEqual([304, tag]);
  }
  expect((await ask('"x"')).status).toBe(200);
  await stores.sql`update jobs set status = 'completed', settled_at = now()`;
  const changed = await ask(tag);
  expect(changed.status).toBe(200);
  const [version] = tag.slice(1).split(".");
  expect(changed.headers.get("etag")).not.toContain(`${version}.`);
});

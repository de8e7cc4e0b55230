import { afterEach, expect, test } from "bun:test";
import { jobKey, lockKey } from "@toril/contract/engine/redis/names";
import { _bearer, _issue } from "./_keys.ts";
import { _echo, _expectProblem, _openProducer, _startProducer, _until } from "./_producer.ts";
import { _openProxy } from "./_proxy.ts";

const { stores, producer } = await _openProducer();
afterEach(async () => {
  await stores.sql`delete from api_keys`;
  await stores.clear();
});

const _cancel = (id: string, headers = {}) =>
  producer.request(`/v1/jobs/${id}`, { method: "DELETE", headers });
const _isInRedis = (id: string) => stores.redis.exists(jobKey(stores.prefix, "default", id));

test("cancelling a waiting job removes it from Redis and frees its key; a second cancellation has no effect", async () => {
  const { body } = await producer.post(_echo("a", { key: "k" }));

  const answer = await _cancel(body.id);

  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({
    status: "cancelled",
    state: null,
    error: { name: "Cancelled" },
  });
  expect(await _isInRedis(body.id)).toBe(0);
  expect((await producer.post(_echo("b", { key: "k" }))).status).toBe(201);
  expect((await _cancel(body.id)).body).toEqual(answer.body);
  expect(await producer.client.cancelJob(body.id)).toEqual(answer.body);
});

test("cancelled jobs of an import count as ended", async () => {
  const made = await producer.csv("a\n1\n2\n");
  const { items } = await producer.client.listJobs({ importId: made.body.id });

  for (const { id } of items) await _cancel(id);

  expect(await producer.client.getImport(made.body.id)).toMatchObject({
    status: "done",
    counts: { accepted: 2, cancelled: 2, completed: 0 },
  });
});

test("cancelling an active job publishes an abort to its worker only", async () => {
  const { body } = await producer.post(_echo());
  const waiting = await producer.post(_echo());
  await stores.redis.set(lockKey(stores.prefix, "default", body.id), "token");
  const listener = stores.redis.duplicate();
  const heard: string[] = [];
  listener.on("message", (_, message: string) => heard.push(message));
  await listener.subscribe(`${stores.prefix}:toril:abort`);

  await _cancel(waiting.body.id);
  await _cancel(body.id);

  expect(await _isInRedis(body.id)).toBe(1);
  await _until(() => heard.length > 0);
  expect(heard.map((text) => JSON.parse(text))).toEqual([{ version: 1, bullIds: [body.id] }]);
  listener.disconnect();
});

test.each(["completed", "dead", "expired"])("a %s job cannot be cancelled: 409", async (status) => {
  const { body } = await producer.post(_echo());
  await stores.sql`update jobs set status = ${status}, settled_at = now() where id = ${body.id}`;

  _expectProblem(await _cancel(body.id), "job-ended");
  expect((await producer.client.getJob(body.id)).status).toBe(status as "dead");
});

test("cancelling requires access to the job and an existing job", async () => {
  const { body } = await producer.post(_echo());
  const { key } = await _issue(stores, ["jobs:write"], { types: ["row.import"] });
  _expectProblem(await _cancel(body.id, _bearer(key)), "forbidden-resource");
  _expectProblem(await _cancel(crypto.randomUUID(), _bearer(key)), "job-not-found");
  _expectProblem(await _cancel("x", _bearer(key)), "invalid-parameter");
  expect(await stores.sql`select status from jobs`).toMatchObject([{ status: "pending" }]);
});

test("cancelling works while Redis is unavailable", async () => {
  const proxy = await _openProxy(stores.settings.REDIS_URL);
  const lonely = await _startProducer(stores, { REDIS_URL: proxy.url });
  const { body } = await lonely.post(_echo());
  proxy.freeze();

  for (const status of [200, 200]) {
    const answer = await lonely.request(`/v1/jobs/${body.id}`, { method: "DELETE" });
    expect(answer).toMatchObject({ status, body: { status: "cancelled" } });
  }
  await lonely.close();
  proxy.close();
});

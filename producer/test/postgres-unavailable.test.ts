import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import {
  _echo,
  _expectProblem,
  _nothing,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
} from "./_producer.ts";
import { _openProxy, type _Proxy } from "./_proxy.ts";
import { _connect, _head } from "./_raw.ts";

let stores: _Stores;
let proxy: _Proxy;
let producer: _Producer;

beforeAll(async () => {
  stores = await _openStores();
  proxy = await _openProxy(stores.settings.DATABASE_URL);
  producer = await _startProducer(stores, {
    DATABASE_URL: proxy.url,
    REQUEST_TIMEOUT_MS: "5000",
  });
});
afterEach(async () => {
  await until201();
  await stores.clear();
});
afterAll(async () => {
  await producer.close();
  proxy.close();
  await stores.close();
});

async function until201() {
  proxy.pass();
  await _until(async () => (await producer.post(_echo("recovery"))).status === 201);
}

async function messages() {
  const rows = await stores.sql<
    { message: string }[]
  >`select data->>'message' as message from jobs`;
  return rows.map(({ message }) => message).filter((message) => message !== "recovery");
}

const id = "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";

test.each(["refuse", "freeze"] as const)(
  "while connections %s, every request gets 503 before its deadline, and the producer recovers",
  async (fault) => {
    await until201();
    proxy[fault]();
    const deadline = AbortSignal.timeout(100_000);
    const answers = await Promise.all([
      producer.request(`/v1/jobs/${id}`, { signal: deadline }),
      producer.request("/v1/jobs", { signal: deadline }),
      producer.request(`/v1/imports/${id}`, { signal: deadline }),
      producer.post(_echo("during")),
      producer.post(_echo("during", { key: "k" })),
      producer.post(_echo("during"), { "Idempotency-Key": "1" }),
      producer.bulk([_echo("during")]),
    ]);
    for (const answer of answers) {
      _expectProblem(answer, "at-capacity");
      expect(answer.headers.get("retry-after")).toBe("1");
    }
    expect(deadline.aborted).toBe(false);
    await until201();
    await _until(async () => (await producer.request(`/v1/jobs/${id}`)).status === 404);
  },
);

test("a job whose request got 503 while it waited is not stored later", async () => {
  await until201();
  proxy.freeze();
  const posts: ReturnType<typeof producer.post>[] = [];
  for (const name of ["one on its way", "two on their way"]) {
    const held = proxy.heldBytes;
    posts.push(producer.post(_echo(name)));
    await _until(() => proxy.heldBytes > held);
  }
  for (let n = 0; n < 20; n += 1) posts.push(producer.post(_echo(`waiting ${n}`)));
  await _until(async () => (await producer.metric("toril_enqueue_waiting")) === 20);
  for (const answer of await Promise.all(posts)) _expectProblem(answer, "at-capacity");
  await until201();
  expect((await messages()).filter((message) => message.startsWith("waiting"))).toEqual([]);
});

test("a producer at capacity refuses jobs and stores none of them", async () => {
  proxy.freeze();
  const posts: ReturnType<typeof producer.bulk>[] = [];
  for (let n = 0; n < 216; n += 1) posts.push(producer.bulk([_echo(`bulk ${n}`)]));
  const answers = await Promise.all(posts);
  // Requests that were waiting get another detail at their deadline.
  const refused = answers.flatMap(({ body }, n) =>
    body.detail === "Nothing was stored. Try again." ? [`bulk ${n}`] : [],
  );
  // At most two requests are in flight, and 200 wait.
  expect(refused.length).toBeGreaterThanOrEqual(14);
  for (const answer of answers) _expectProblem(answer, "at-capacity");
  await until201();
  expect((await messages()).filter((message) => refused.includes(message))).toEqual([]);
});

test("a producer at capacity refuses a bulk request before its body", async () => {
  const lenient = await _startProducer(stores, {
    DATABASE_URL: proxy.url,
    REQUEST_TIMEOUT_MS: "10000",
  });
  proxy.freeze();
  const posts = Array.from({ length: 10 }, (_, n) => lenient.bulk([_echo(`bulk ${n}`)]));
  // Two are in flight.
  await _until(async () => (await lenient.metric("toril_enqueue_waiting")) === 8);
  const connection = await _connect(lenient.url);
  const headers = ["Content-Type: application/json", "Content-Length: 30000000"];
  await connection.write(_head("POST /v1/jobs/bulk", ...headers, "X-Request-Id: early"));
  const answer = await connection.answer();
  connection.destroy();
  expect(answer.status).toBe(503);
  expect(answer.headers.get("X-Request-Id")).toBe("early");
  expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
  expect(await answer.json()).toMatchObject({
    type: "urn:toril:problem:at-capacity",
    instance: "/v1/jobs/bulk",
    requestId: "early",
  });
  proxy.pass();
  for (const answer of await Promise.all(posts)) expect(answer.status).toBe(201);
  await lenient.close();
});

test("a short outage of Postgres is not visible to clients", async () => {
  const lenient = await _startProducer(stores, { DATABASE_URL: proxy.url });
  expect((await lenient.post(_echo("before"))).status).toBe(201);
  proxy.refuse();
  const posts = [lenient.post(_echo("a")), lenient.post(_echo("b", { key: "k" }))];
  proxy.pass();
  for (const answer of await Promise.all(posts)) expect(answer.status).toBe(201);
  expect((await messages()).toSorted()).toEqual(["a", "b", "before"]);
  await lenient.close();
});

test("an import that loses Postgres returns an error and is failed", async () => {
  const hasty = await _startProducer(stores, {
    DATABASE_URL: proxy.url,
    REQUEST_TIMEOUT_MS: "4000",
  });
  const rows = Buffer.from("1,2\n".repeat(600));
  let isReady = false;
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(Buffer.from("a,b\n")),
    async pull(controller) {
      if (!isReady) {
        controller.enqueue(rows);
        isReady = true;
      } else {
        await _until(async () => (await stores.count()).jobs >= 500);
        proxy.refuse();
        controller.enqueue(rows);
        controller.close();
      }
    },
  });
  const answer = await hasty.csv(body);
  await hasty.close();
  _expectProblem(answer, "at-capacity");
  const [row] = await stores.sql<{ id: string }[]>`select id from imports`;
  expect(answer.body.detail).toContain(row!.id);
});

test("a producer that starts without Postgres stores nothing and answers 503", async () => {
  proxy.refuse();
  const late = await _startProducer(stores, {
    DATABASE_URL: proxy.url,
    REQUEST_TIMEOUT_MS: "3000",
  });
  _expectProblem(await late.post(_echo()), "at-capacity");
  expect((await late.request("/readyz")).status).toBe(503);
  expect(await stores.count()).toEqual(_nothing);
  proxy.pass();
  await _until(async () => (await late.post(_echo())).status === 201);
  await late.close();
});

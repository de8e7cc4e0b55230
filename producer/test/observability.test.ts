import { afterAll, beforeAll, expect, test } from "bun:test";
import { parse } from "yaml";
import { shippedApi } from "../../contract/test/_job-types.ts";
import {
  _checked,
  _echo,
  _expectProblem,
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
  proxy = await _openProxy(stores.settings.REDIS_URL);
  producer = await _startProducer(stores, { REDIS_URL: proxy.url });
  await _until(async () => (await producer.request("/readyz")).body.status === "ok");
});
afterAll(async () => {
  await producer.close();
  proxy.close();
  await stores.close();
});

test("the dashboard refuses every change", async () => {
  const { body } = await producer.post(_echo());
  const queue = "/admin/queues/api/queues/default";
  for (const [method, path] of [
    ["PUT", `${queue}/pause`],
    ["PUT", `${queue}/empty`],
    ["PUT", `${queue}/obliterate`],
    ["PUT", `${queue}/clean/waiting`],
    ["POST", `${queue}/add`],
    ["PUT", `${queue}/${body.id}/clean`],
    ["PUT", `${queue}/${body.id}/promote`],
    ["PATCH", `${queue}/${body.id}/update-data`],
    ["PUT", "/admin/queues/api/queues/pause"],
  ] as const) {
    const answer = await producer.request(path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
    _expectProblem(answer, "method-not-allowed");
  }
  expect((await producer.client.getJob(body.id)).state).toBe("waiting");
});

test("the dashboard shows its page and the jobs of every queue", async () => {
  const { body } = await producer.post(_echo("look at me"));
  const page = await producer.request("/admin/queues");
  expect([page.status, page.headers.get("content-type")]).toEqual([
    200,
    expect.stringContaining("text/html"),
  ]);
  const script = /src="([^"]+\.js)"/.exec(page.text)?.[1];
  const loaded = await producer.request(
    new URL(script!, new URL("/admin/queues/", producer.url)).pathname,
  );
  expect([loaded.status, loaded.text.length > 10_000]).toEqual([200, true]);

  const answer = await producer.request(
    `/admin/queues/api/queues?activeQueue=default&status=latest&page=1`,
  );
  expect(answer.status).toBe(200);
  const queues: { name: string; readOnlyMode: boolean; jobs: { id: string; data: unknown }[] }[] =
    answer.body.queues;
  expect(queues.map(({ name }) => name).toSorted()).toEqual(["default", "feeds", "imports"]);
  expect(queues.every(({ readOnlyMode }) => readOnlyMode)).toBe(true);
  const jobs = queues.find(({ name }) => name === "default")!.jobs;
  expect(jobs).toContainEqual(
    expect.objectContaining({ id: body.id, data: { message: "look at me" } }),
  );
});

test("the dashboard reveals no internals while Redis is unavailable", async () => {
  proxy.refuse();
  const answer = await producer.request("/admin/queues/api/redis/stats");
  expect(_expectProblem(answer, "at-capacity").detail).toBeUndefined();
  expect((await producer.request("/admin/queues")).status).toBe(200);
  proxy.pass();
  await _until(async () => (await producer.request("/readyz")).body.status === "ok");
});

test("the documentation shows the contract and works offline", async () => {
  const yaml = await producer.request("/openapi.yaml");
  const file = await Bun.file(new URL("../../openapi.yaml", import.meta.url)).text();
  expect(yaml.text).toBe(file);
  const json = await producer.request("/openapi.json");
  expect(json.body).toEqual(parse(file));
  for (const { path, method, operationId } of Object.values(shippedApi)) {
    expect(json.body.paths[path][method].operationId).toBe(operationId);
  }
  const page = await producer.request("/docs");
  expect(page.headers.get("content-type")).toContain("text/html");
  const addresses = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(
    ([, address]) => address,
  );
  expect(addresses).toContain("/docs/scalar.js");
  expect(addresses.filter((address) => /^(https?:)?\/\//.test(address!))).toEqual([]);
  const script = await producer.request("/docs/scalar.js");
  expect([script.status, script.text.length > 1_000_000]).toEqual([200, true]);
});

test("metrics include requests, problems, batches and waiting requests", async () => {
  await producer.post(_echo());
  await producer.post("{");
  await producer.request("/missing/1");
  await producer.request("/missing/2");
  const { headers, text } = await producer.request("/metrics");
  expect(headers.get("content-type")).toStartWith("text/plain");
  for (const line of [
    /^http_request_duration_seconds_count\{method="POST",route="\/v1\/jobs",status="201"\} \d+$/m,
    /^http_request_duration_seconds_count\{method="POST",route="\/v1\/jobs",status="400"\} 1$/m,
    /^toril_problems_total\{kind="invalid-json"\} 1$/m,
    /^toril_enqueue_batch_jobs_count\{lane="plain"\} \d+$/m,
    /^toril_enqueue_waiting 0$/m,
    /^toril_ledger_write_seconds_count\{operation="accept"\} [1-9]/m,
    /^toril_dispatch_seconds_count [1-9]/m,
    /^bullmq_queue_size\{queue="default",state="waiting"\} [1-9]\d*$/m,
    /^bullmq_queue_size\{queue="feeds",state="failed"\} 0$/m,
    /^toril_queue_oldest_seconds\{queue="default"\} \d/m,
    /^toril_problems_total\{kind="at-capacity"\} \d/m,
    /^nodejs_eventloop_lag_p99_seconds \d/m,
    /^toril_undispatched_jobs 0$/m,
    /^toril_redis_unavailable 0$/m,
    /^process_resident_memory_bytes \d+$/m,
  ]) {
    expect(text).toMatch(line);
  }
  expect(text).not.toContain("/missing");
});

test("metrics are served without Redis, except queue metrics", async () => {
  proxy.refuse();
  // Sizes read a moment ago are still reported.
  await _until(
    async () => !(await producer.request("/metrics")).text.includes("bullmq_queue_size{"),
  );
  expect((await producer.request("/metrics")).text).toContain("toril_enqueue_waiting 0");
  proxy.pass();
  await _until(async () =>
    (await producer.request("/metrics")).text.includes("bullmq_queue_size{"),
  );
  await _until(async () => (await producer.request("/readyz")).body.status === "ok");
});

test("the log contains the request id and the job id", async () => {
  const { body } = await producer.post(_echo(), { "X-Request-Id": "order-7" });
  const line = producer.lines.find(({ requestId }) => requestId === "order-7");
  expect(line).toMatchObject({
    level: 20,
    method: "POST",
    path: "/v1/jobs",
    status: 201,
    jobId: body.id,
  });
});

test("an unexpected error is logged and reveals no internals", async () => {
  await stores.sql`alter table jobs rename to gone`;
  const headers = { "X-Request-Id": "order-8" };
  const answers = [
    await producer.post(_echo(), headers),
    await producer.post(_echo("a", { key: "k" })),
    await producer.bulk([_echo()]),
    await producer.request("/v1/jobs"),
    await producer.csv("a\n1\n"),
  ];
  await stores.sql`alter table gone rename to jobs`;
  for (const answer of answers) {
    expect(_expectProblem(answer, "internal-error").detail).toBeUndefined();
    expect(answer.text).not.toContain("relation");
  }
  const line = producer.lines.find(
    (line) => line["requestId"] === "order-8" && line["level"] === 50,
  );
  expect(JSON.stringify(line)).toContain("relation");
});

test("readiness reports both stores in every state", async () => {
  const database = await _openProxy(stores.settings.DATABASE_URL);
  const shaky = await _startProducer(stores, {
    DATABASE_URL: database.url,
    REDIS_URL: proxy.url,
    REQUEST_TIMEOUT_MS: "3000",
  });
  const state = async () => {
    const { status, body } = await shaky.request("/readyz");
    return [status, body];
  };
  const reaches = (...expected: unknown[]) =>
    _until(async () => Bun.deepEquals(await state(), expected));
  await reaches(200, { status: "ok", postgres: "ok", redis: "ok" });
  database.refuse();
  await reaches(503, { status: "unavailable", postgres: "unavailable", redis: "ok" });
  proxy.refuse();
  await reaches(503, { status: "unavailable", postgres: "unavailable", redis: "unavailable" });
  database.pass();
  await reaches(200, { status: "degraded", postgres: "ok", redis: "unavailable" });
  proxy.pass();
  await reaches(200, { status: "ok", postgres: "ok", redis: "ok" });
  expect((await shaky.request("/livez")).body).toEqual({ status: "ok" });
  database.freeze();
  const readiness = state();
  await _until(() => database.heldBytes > 0);
  const closing = shaky.close();
  database.pass();
  expect(await readiness).toEqual([503, { status: "draining", postgres: "ok", redis: "ok" }]);
  await closing;
  database.close();
  await _until(async () => (await producer.request("/readyz")).body.status === "ok");
});

test("a draining producer reports it, finishes its requests and accepts no new ones", async () => {
  const draining = await _startProducer(stores);
  const body = JSON.stringify(_echo("last"));
  const [asking, watching] = await Promise.all([_connect(draining.url), _connect(draining.url)]);
  await watching.write(_head("GET /livez"));
  await watching.answer();
  await asking.write(
    _head("POST /v1/jobs", "Content-Type: application/json", `Content-Length: ${body.length}`),
  );
  await asking.write(body.slice(0, 10));
  await draining.request("/livez");
  const closing = draining.close();
  await asking.write(body.slice(10));
  const answer = await _checked(await asking.answer(), "POST", "/v1/jobs");
  expect(answer.status).toBe(201);
  asking.destroy();
  watching.destroy();
  await closing;
  expect(await fetch(draining.url).catch((error: unknown) => error)).toBeInstanceOf(Error);
  expect((await producer.client.getJob(answer.body.id)).status).toBe("pending");
});

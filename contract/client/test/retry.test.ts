import { expect, test } from "bun:test";
import { type ClientOptions, ConnectionError, createClient, TorilError } from "../src/index.ts";
import { getRetryDelay, toRetryPolicy } from "../src/retry.ts";
import { _until } from "../../test/_until.ts";
import { _accepted, type _Answer, _problem, _startServer } from "./_server.ts";

const request = { type: "echo", data: { message: "hello" } };

/** A client without long delays, and a server that gives the answers one after the other, then the last one. */
async function _open(answers: readonly _Answer[], options: Partial<ClientOptions> = {}) {
  const server = await _startServer((_, count) => answers[count - 1] ?? answers.at(-1)!);
  const retry = { delayMs: 1, maxDelayMs: 2 };
  return { ...server, client: createClient({ baseUrl: server.url, retry, ...options }) };
}

test.each<[string, _Answer]>([
  ["503", _problem(503)],
  ["429", _problem(429)],
  ["502 of a proxy", { status: 502 }],
  ["504 of a proxy", { status: 504 }],
  ["a cut connection", "cut"],
  ["a response that is cut", "half"],
])("a write is repeated after %s, with the same Idempotency-Key", async (_, refusal) => {
  await using server = await _open([refusal, refusal, _accepted]);
  expect(await server.client.createJob(request)).toMatchObject({ id: "1" });
  const keys = server.received.map(({ key }) => key);
  expect(keys).toHaveLength(3);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(keys).size).toBe(1);
  await server.client.createJob(request);
  expect(server.received.at(-1)!.key).not.toBe(keys[0]);
});

test("an Idempotency-Key that is undefined is the same as none", async () => {
  await using server = await _open(["cut", _accepted]);
  await server.client.enqueue("echo", {}, { idempotencyKey: undefined });
  expect(server.received[1]!.key).toMatch(/^[0-9a-f]{32}$/);
});

test("the Idempotency-Key of the caller is sent", async () => {
  await using server = await _open(["cut", _accepted]);
  await server.client.createJob(request, { idempotencyKey: "mine" });
  expect(server.received.map(({ key }) => key)).toEqual(["mine", "mine"]);
});

test("a write is not repeated without retries, and gets no Idempotency-Key", async () => {
  await using server = await _open([_problem(503)], { retry: false });
  await expect(server.client.createJob(request)).rejects.toBeInstanceOf(TorilError);
  expect(server.received.map(({ key }) => key)).toEqual([undefined]);
});

test("the number of requests is bounded", async () => {
  await using server = await _open(["cut"], { retry: { delayMs: 1, attempts: 3 } });
  await expect(server.client.createJob(request)).rejects.toBeInstanceOf(ConnectionError);
  expect(server.received).toHaveLength(3);
});

test.each([400, 401, 403, 404, 409, 422, 500])("%d is final", async (status) => {
  await using server = await _open([_problem(status)]);
  await expect(server.client.createJob(request)).rejects.toMatchObject({ problem: { status } });
  expect(server.received).toHaveLength(1);
});

test("Retry-After is the minimum delay", async () => {
  const answer = _problem(503, "about:blank", { "Retry-After": "1" });
  await using server = await _open([answer], { retry: false });
  const error = await server.client.createJob(request).catch((thrown: unknown) => thrown);
  const getDelay = (delayMs: number) => getRetryDelay(error, 1, toRetryPolicy({ delayMs }), true);
  expect(getDelay(0)).toBe(1000);
  expect(getDelay(100)).toBeWithin(1025, 1051);
});

test("a Retry-After beyond the maximum is not waited for", async () => {
  await using server = await _open([_problem(429, "about:blank", { "Retry-After": "3600" })]);
  await expect(server.client.createJob(request)).rejects.toMatchObject({ retryAfterMs: 3_600_000 });
  expect(server.received).toHaveLength(1);
});

test("a request that the service still processes is repeated, but another client's is not", async () => {
  const inUse = _problem(409, "urn:toril:problem:idempotency-key-in-use");
  await using own = await _open(["cut", inUse, _accepted]);
  await own.client.createJob(request);
  expect(own.received).toHaveLength(3);
  await using foreign = await _open([inUse]);
  await expect(foreign.client.createJob(request, { idempotencyKey: "a" })).rejects.toThrow();
  expect(foreign.received).toHaveLength(1);
});

test("a read is repeated", async () => {
  await using server = await _open([
    "cut",
    "half",
    _problem(503),
    { status: 200, body: { id: "1" } },
  ]);
  expect(await server.client.getJob("1")).toMatchObject({ id: "1" });
  expect(server.received.map(({ key }) => key)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("a conditional write is repeated only if the service refused it", async () => {
  await using cut = await _open(["cut"]);
  await expect(cut.client.changeJob("1", '"1"', { priority: 1 })).rejects.toThrow();
  expect(cut.received).toHaveLength(1);
  await using refused = await _open([_problem(429), { status: 200 }]);
  await refused.client.changeJob("1", '"1"', { priority: 1 });
  expect(refused.received).toHaveLength(2);
});

test("a stream is not repeated", async () => {
  await using server = await _open([_problem(503)]);
  const body = new Blob(["a\n1\n"]).stream();
  await expect(server.client.createImport(body, { type: "row.import" })).rejects.toThrow();
  expect(server.received).toHaveLength(1);
});

test("a service that does not respond is asked again", async () => {
  await using server = await _open(["silent", _accepted], {
    timeoutMs: 200,
    retry: { delayMs: 1 },
  });
  await server.client.createJob(request);
  expect(server.received).toHaveLength(2);
});

test("an abort ends the wait for the next request with its reason", async () => {
  await using server = await _open([_problem(503, "about:blank", { "Retry-After": "30" })]);
  const abort = new AbortController();
  const made = server.client.createJob(request, { signal: abort.signal });
  await _until(() => server.received.length > 0);
  abort.abort(new Error("stopped"));
  await expect(made).rejects.toThrow("stopped");
  await expect(server.client.createJob(request, { signal: abort.signal })).rejects.toThrow(
    "stopped",
  );
  expect(server.received).toHaveLength(1);
});

test.each(["", "/", "/jobs", "/jobs/", "/a/b/?x=1#y"])(
  "the path of baseUrl %p is kept",
  async (path) => {
    await using server = await _startServer(() => ({ status: 200, body: { items: [] } }));
    await createClient({ baseUrl: server.url + path }).listJobs({ limit: 3 });
    const kept = path.replace(/\?.*/, "").replace(/\/$/, "");
    expect(server.received.map((one) => one.path)).toEqual([`${kept}/v1/jobs?limit=3`]);
  },
);

import { expect, test } from "bun:test";
import { createClient, TorilError } from "../src/index.ts";
import { _accepted, type _Answer, _problem, _startServer } from "./_server.ts";

interface Entry {
  data: { number: number };
}

const entriesOf = (body: string) => JSON.parse(body) as Entry[];

function _created(body: string): _Answer {
  const results = entriesOf(body).map(({ data }, index) => ({
    index,
    outcome: "created",
    id: `job ${data.number}`,
  }));
  return { status: 201, body: { counts: {}, results: results.toReversed() } };
}

const enqueueMany = (baseUrl: string, count: number, options = {}) => {
  const client = createClient({ baseUrl, batch: true, retry: { delayMs: 1 }, ...options });
  const numbers = Array.from({ length: count }, (_, number) => number);
  return Promise.allSettled(numbers.map((number) => client.enqueue("any", { number })));
};

const idsOf = (settled: Awaited<ReturnType<typeof enqueueMany>>) =>
  settled.map((one) => (one.status === "fulfilled" ? one.value.id : one.reason));

test("jobs enqueued together share bulk requests, and each gets its own id", async () => {
  await using server = await _startServer(({ body }) => _created(body));
  const ids = idsOf(await enqueueMany(server.url, 1200));
  expect(ids).toEqual(Array.from({ length: 1200 }, (_, number) => `job ${number}`));
  expect(server.received.map(({ path }) => path)).toEqual(
    Array.from({ length: 3 }, () => "/v1/jobs/bulk?atomicity=partial"),
  );
});

test("a bulk request has at most maxJobs jobs, and one that is cut is repeated with its key", async () => {
  await using server = await _startServer(({ body }, count) =>
    count === 1 ? "cut" : _created(body),
  );
  const ids = idsOf(await enqueueMany(server.url, 25, { batch: { maxJobs: 10, concurrency: 1 } }));
  expect(ids).toEqual(Array.from({ length: 25 }, (_, number) => `job ${number}`));
  expect(server.received.map(({ body }) => entriesOf(body).length)).toEqual([10, 10, 10, 5]);
  const [first, second, third] = server.received.map(({ key }) => key);
  expect(first).toBe(second);
  expect(third).not.toBe(second);
});

test("a rejected job does not affect the others", async () => {
  const problem = { type: "urn:toril:problem:invalid-job", title: "invalid", status: 422 };
  await using server = await _startServer(() => ({
    status: 207,
    body: {
      results: [
        { index: 0, outcome: "created", id: "job 0" },
        { index: 1, outcome: "rejected", problem },
      ],
    },
  }));
  const [first, second] = await enqueueMany(server.url, 2);
  expect(first).toMatchObject({ status: "fulfilled", value: { id: "job 0" } });
  expect(second).toMatchObject({ status: "rejected", reason: { problem } });
});

test.each([403, 413])(
  "if a whole request is refused with %d, only the job at fault fails",
  async (status) => {
    await using server = await _startServer(({ body }) =>
      entriesOf(body).some(({ data }) => data.number === 13) ? _problem(status) : _created(body),
    );
    const ids = idsOf(await enqueueMany(server.url, 40));
    expect(ids[13]).toBeInstanceOf(TorilError);
    expect(ids.toSpliced(13, 1)).toEqual(
      Array.from({ length: 40 }, (_, number) => `job ${number}`).toSpliced(13, 1),
    );
  },
);

test("while all requests are under way, further jobs wait and share the next one", async () => {
  const started = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  await using server = await _startServer(({ body }) => {
    started.resolve();
    return _created(body);
  });
  const client = createClient({
    baseUrl: server.url,
    batch: { concurrency: 1, delayMs: 0 },
    async fetch(request) {
      const response = await fetch(request);
      await released.promise;
      return response;
    },
  });
  const first = client.enqueue("any", { number: 0 });
  await started.promise;
  const others = Array.from({ length: 50 }, (_, number) =>
    client.enqueue("any", { number: number + 1 }),
  );
  released.resolve();
  await Promise.all([first, ...others]);
  expect(server.received.map(({ body }) => entriesOf(body).length)).toEqual([1, 50]);
});

test("a job with a key or signal of its own, or data that is not JSON, does not join a batch", async () => {
  await using server = await _startServer(({ path, body }) =>
    path === "/v1/jobs" ? _accepted : _created(body),
  );
  const client = createClient({ baseUrl: server.url, batch: true });
  const { signal } = new AbortController();
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const [, , , refused] = await Promise.allSettled([
    client.enqueue("any", { number: 1 }, { idempotencyKey: "mine" }),
    client.enqueue("any", { number: 2 }, { signal }),
    client.enqueue("any", { number: 3 }),
    client.enqueue("any", cyclic),
  ]);
  expect(refused).toMatchObject({ status: "rejected", reason: { name: "TypeError" } });
  expect(server.received.map(({ path }) => path).toSorted()).toEqual([
    "/v1/jobs",
    "/v1/jobs",
    "/v1/jobs/bulk?atomicity=partial",
  ]);
});

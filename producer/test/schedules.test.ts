import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { TorilError } from "@toril/client";
import { jobKey } from "@toril/contract/engine/redis/names";
import {
  _echo,
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

let stores: _Stores;
let producer: _Producer;
const secretKey = `2026a:${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;

beforeAll(async () => {
  stores = await _openStores();
  producer = await _startProducer(stores, { SECRET_KEYS: secretKey });
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});
afterEach(async () => {
  await stores.sql`delete from schedules`;
  await stores.clear();
});

const job = { type: "echo" as const, data: { message: "good night" } };
const nightly = { cron: "30 2 * * *", timeZone: "Europe/Berlin", job };

function put(name: string, definition: unknown, headers: Record<string, string> = {}) {
  return producer.request(`/v1/schedules/${name}`, {
    ..._json(definition, headers),
    method: "PUT",
  });
}

function preview(definition: unknown, query = "") {
  return producer.request(`/v1/schedules/preview${query}`, _json(definition));
}

const at = (name: string) => `/v1/schedules/${name}`;

test("a tenant may have MAX_SCHEDULES schedules and change each of them", async () => {
  const narrow = await _startProducer(stores, { MAX_SCHEDULES: "2" });
  try {
    const putHere = (name: string) =>
      narrow.request(at(name), { ..._json(nightly), method: "PUT" });
    expect((await putHere("a")).status).toBe(201);
    expect((await putHere("b")).status).toBe(201);
    _expectProblem(await putHere("c"), "too-many-schedules");
    expect((await putHere("b")).status).toBe(200);
    await narrow.request(at("a"), { method: "DELETE" });
    expect((await putHere("c")).status).toBe(201);
  } finally {
    await narrow.close();
  }
});

test("concurrent requests to two producers never exceed MAX_SCHEDULES", async () => {
  const limits = { MAX_SCHEDULES: "2" };
  await using both = new AsyncDisposableStack();
  const producers = [await _startProducer(stores, limits), await _startProducer(stores, limits)];
  for (const one of producers) both.defer(() => one.close());
  const putOne = (number: number) =>
    producers[number % 2]!.request(at(`crowd-${number}`), { ..._json(nightly), method: "PUT" });
  const responses = await Promise.all(Array.from({ length: 12 }, (_, number) => putOne(number)));
  expect(responses.filter(({ status }) => status === 201)).toHaveLength(2);
  expect(responses.filter(({ status }) => status === 409)).toHaveLength(10);
});

describe("an invalid definition is refused with its fields", () => {
  const cases: [string, object, string[]][] = [
    ["neither cron nor everyMs", { job }, ["/cron"]],
    ["both", { ...nightly, everyMs: 1000 }, ["/cron"]],
    ["too often", { everyMs: 999, job }, ["/everyMs"]],
    ["no number", { everyMs: "1000", job }, ["/everyMs"]],
    ["four fields", { cron: "* * * *", job }, ["/cron"]],
    ["seven fields", { cron: "0 0 0 1 1 * 2030", job }, ["/cron"]],
    ["a nickname", { cron: "@daily", job }, ["/cron"]],
    ["an hour that there is not", { cron: "0 24 * * *", job }, ["/cron"]],
    ["a day that there is not", { cron: "0 0 30 2 *", job }, ["/cron"]],
    ["a zone that there is not", { ...nightly, timeZone: "Europe/Atlantis" }, ["/timeZone"]],
    ["an offset for a zone", { ...nightly, timeZone: "+02:00" }, ["/timeZone"]],
    [
      "ends before it begins",
      { ...nightly, from: "2027-01-02T00:00:00Z", until: "2027-01-01T00:00:00Z" },
      ["/until"],
    ],
    ["no time", { ...nightly, from: "tomorrow" }, ["/from"]],
    ["a policy that there is not", { ...nightly, overlap: "panic" }, ["/overlap"]],
    ["an unknown field", { ...nightly, colour: "red" }, ["/colour"]],
    ["no job", { cron: "* * * * *" }, ["/job"]],
    ["an unknown type", { ...nightly, job: { type: "nope", data: {} } }, ["/job/type"]],
    ["wrong data", { ...nightly, job: { type: "echo", data: {} } }, ["/job/data/message"]],
    ["a delay", { ...nightly, job: { ...job, delayMs: 5 } }, ["/job/delayMs"]],
    ["a time", { ...nightly, job: { ...job, runAt: "2027-01-01T00:00:00Z" } }, ["/job/runAt"]],
    [
      "an expiry",
      { ...nightly, job: { ...job, expiresAt: "2027-01-01T00:00:00Z" } },
      ["/job/expiresAt"],
    ],
    [
      "options that exclude each other",
      { ...nightly, job: { ...job, order: "lifo", priority: 1 } },
      ["/job/order"],
    ],
  ];
  test.each(cases)("%s", async (_, definition, pointers) => {
    const problem = _expectProblem(await put("bad", definition), "invalid-schedule");
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(pointers);
    expect((await producer.client.listSchedules()).items).toEqual([]);
  });

  test("invalid JSON, invalid names and large bodies are refused", async () => {
    _expectProblem(await put("bad", "{"), "invalid-json");
    _expectProblem(await put("bad", ""), "empty-body");
    _expectProblem(await put("bad", '{"cron":"\\u0000"}'), "unstorable-json");
    _expectProblem(await put("-bad", nightly), "invalid-parameter");
    _expectProblem(await put("b%2Fd", nightly), "invalid-parameter");
    const large = { ...nightly, job: { type: "echo", data: { message: "a".repeat(1_000_001) } } };
    _expectProblem(await put("bad", large), "data-too-large");
    const plain = { method: "PUT", body: "cron: 1", headers: { "Content-Type": "text/yaml" } };
    _expectProblem(await producer.request(at("bad"), plain), "unsupported-media-type");
  });
});

test("a schedule is created, replaced, listed, shown and deleted", async () => {
  const made = await put("nightly", { ...nightly, description: "All asleep" });
  expect(made.status).toBe(201);
  expect(made.headers.get("location")).toBe(at("nightly"));
  expect(made.headers.get("etag")).toMatch(/^"1\.\w+"$/);
  expect(made.body).toMatchObject({
    ...nightly,
    name: "nightly",
    everyMs: null,
    overlap: "skip",
    misfire: "catch-up",
    description: "All asleep",
    source: "api",
    paused: false,
    lastRun: null,
    version: 1,
  });
  const [next] = (await producer.client.previewSchedule("nightly", { count: 1 })).times;
  expect(made.body.nextAt).toBe(next!.at);
  expect(next!.local).toMatch(/T02:30:00/);

  const replaced = await put("nightly", { everyMs: 60_000, job, overlap: "replace" });
  expect(replaced.status).toBe(200);
  expect(replaced.body).toMatchObject({ cron: null, everyMs: 60_000, description: null });
  expect(replaced.headers.get("etag")).toMatch(/^"2\.\w+"$/);
  expect(Date.parse(replaced.body.nextAt) % 60_000).toBe(0);
  expect(await producer.client.getSchedule("nightly")).toEqual(replaced.body);
  expect((await producer.client.listSchedules()).items).toEqual([replaced.body]);

  expect(await producer.client.deleteSchedule("nightly")).toEqual(replaced.body);
  for (const [path, method] of [
    ["", "GET"],
    ["", "DELETE"],
    ["/pause", "POST"],
    ["/resume", "POST"],
    ["/run", "POST"],
    ["/preview", "GET"],
  ]) {
    const answer = await producer.request(at("nightly") + path, { method: method! });
    _expectProblem(answer, "schedule-not-found");
  }
});

test("pages are ordered by name", async () => {
  for (const name of ["b", "c", "a"]) await put(name, nightly);
  const first = await producer.client.listSchedules({ limit: 2 });
  expect(first.items.map(({ name }) => name)).toEqual(["a", "b"]);
  const second = await producer.client.listSchedules({ limit: 2, cursor: first.next! });
  expect(second.items.map(({ name }) => name)).toEqual(["c"]);
  expect(second.next).toBeNull();
  _expectProblem(await producer.request("/v1/schedules?cursor=-"), "invalid-parameter");
});

test("a page is limited in bytes", async () => {
  for (const name of ["a", "b", "c", "d", "e", "f", "g"]) await put(name, nightly);
  const large = JSON.stringify({ message: "x".repeat(900_000) });
  await stores.sql`
    update schedules set definition = jsonb_set(definition, '{job,data}', ${large}::text::jsonb)`;
  const pages: string[][] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const { items, next } = await producer.client.listSchedules({ limit: 500, cursor });
    pages.push(items.map(({ name }) => name));
    cursor = next;
  }
  expect(pages).toEqual([["a", "b", "c"], ["d", "e", "f"], ["g"]]);
});

test("If-Match accepts one of two changes of the same version", async () => {
  await producer.client.putSchedule("nightly", nightly);
  const one = await producer.client.putSchedule("nightly", nightly, { ifVersion: 1 });
  expect(one.version).toBe(2);
  const other = producer.client.putSchedule("nightly", nightly, { ifVersion: 1 });
  await expect(other).rejects.toBeInstanceOf(TorilError);
  _expectProblem(await put("nightly", nightly, { "If-Match": '"1"' }), "precondition-failed");
  _expectProblem(await put("new", nightly, { "If-Match": "*" }), "precondition-failed");
  expect((await put("nightly", nightly, { "If-Match": '"7", "2"' })).status).toBe(200);
  expect((await put("nightly", nightly, { "If-Match": "*" })).body.version).toBe(4);
});

test("one of many concurrent requests creates the schedule", async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => put("same", nightly)));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(7);
  expect((await producer.client.getSchedule("same")).version).toBe(8);
});

test("a paused schedule has no next fire time and stays paused when it is replaced", async () => {
  await put("nightly", nightly);
  const paused = await producer.client.pauseSchedule("nightly");
  expect(paused).toMatchObject({ paused: true, nextAt: null, version: 2 });
  expect(await producer.client.pauseSchedule("nightly")).toEqual(paused);
  expect((await put("nightly", { ...nightly, cron: "0 4 * * *" })).body).toMatchObject({
    paused: true,
    nextAt: null,
  });
  const resumed = await producer.client.resumeSchedule("nightly");
  const { times } = await producer.client.previewSchedule("nightly", { count: 1 });
  expect(resumed).toMatchObject({ paused: false, nextAt: times[0]!.at });
  expect(await producer.client.resumeSchedule("nightly")).toEqual(resumed);
});

test("a due fire time stays due when the schedule is replaced with the same timing", async () => {
  await put("nightly", nightly);
  await stores.sql`update schedules set next_at = '2026-01-01T01:30:00Z'`;
  const { body } = await put("nightly", { ...nightly, description: "the same" });
  expect(body.nextAt).toBe("2026-01-01T01:30:00.000Z");
  expect((await put("nightly", { ...nightly, timeZone: "UTC" })).body.nextAt).not.toBe(body.nextAt);
});

test("run now creates a job, paused or not, and is shown as the last run", async () => {
  await put("nightly", { ...nightly, job: { ...job, labels: ["a"], key: "one" } });
  await producer.client.pauseSchedule("nightly");
  const ran = await producer.request(`${at("nightly")}/run`, { method: "POST" });
  expect(ran.status).toBe(201);
  expect(ran.headers.get("location")).toBe(`/v1/jobs/${ran.body.id}`);
  expect(await producer.client.getJob(ran.body.id)).toMatchObject({
    schedule: "nightly",
    labels: ["a"],
    data: { message: "good night" },
    state: "waiting",
  });
  const { lastRun } = await producer.client.getSchedule("nightly");
  expect(lastRun).toMatchObject({ scheduledFor: null, outcome: "created", jobId: ran.body.id });

  const again = await producer.request(`${at("nightly")}/run`, { method: "POST" });
  expect(again.status).toBe(200);
  expect(again.body).toMatchObject({ id: ran.body.id, outcome: "duplicate" });
  expect((await producer.client.getSchedule("nightly")).lastRun).toMatchObject({
    outcome: "duplicate",
    jobId: ran.body.id,
  });
});

test.each([
  [
    "Europe/Berlin",
    "30 2 * * *",
    "2026-03-28T00:00:00Z",
    ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
  ],
  [
    "Europe/Berlin",
    "30 2 * * *",
    "2026-10-24T00:00:00Z",
    ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
  ],
  [
    "America/New_York",
    "30 2 * * *",
    "2026-03-07T00:00:00Z",
    ["2026-03-07T07:30", "2026-03-08T07:00", "2026-03-09T06:30"],
  ],
  [
    "America/New_York",
    "30 1 * * *",
    "2026-10-31T00:00:00Z",
    ["2026-10-31T05:30", "2026-11-01T05:30", "2026-11-02T06:30"],
  ],
])("a preview in %s, %s after %s", async (timeZone, cron, after, expected) => {
  const query = { count: 3, after };
  const { times } = await producer.client.previewDefinition({ cron, timeZone }, query);
  expect(times.map((time) => time.at.slice(0, 16))).toEqual(expected);
  await put("stored", { ...nightly, cron, timeZone });
  expect((await producer.client.previewSchedule("stored", query)).times).toEqual(times);
});

test("a preview stores nothing, ends with `until` and refuses invalid definitions", async () => {
  const until = "2030-01-01T00:00:01Z";
  const few = await preview({ everyMs: 1000, until }, "?after=2029-12-31T23:59:59Z");
  expect(few.body.times.map((time: { local: string }) => time.local)).toEqual([
    "2030-01-01T00:00:00+00:00",
    "2030-01-01T00:00:01+00:00",
  ]);
  expect((await producer.client.listSchedules()).items).toEqual([]);
  const bad = _expectProblem(await preview({ cron: "x", timeZone: "y" }), "invalid-schedule");
  expect(bad.errors?.map(({ pointer }) => pointer)).toEqual(["/cron", "/timeZone"]);
  const other = await producer.request(at("other"), _json(nightly));
  _expectProblem(other, "method-not-allowed");
  for (const query of ["?count=0", "?count=101", "?after=now", "?more=1"]) {
    _expectProblem(await preview(nightly, query), "invalid-parameter");
  }
});

test("a preview validates the job as its creation does", async () => {
  const url = "http://feed.example/";
  const refused = [
    { data: { url: "no URL" } },
    { data: { url, authorization: "[secret]" } },
    { data: { url }, key: "a", keyPolicy: { type: "none" } },
    { data: { url: `${url}${"x".repeat(1_000_000)}` } },
  ];
  for (const fields of refused) {
    const definition = { everyMs: 1000, job: { type: "feed.fetch", ...fields } };
    const [created, previewed] = [await put("refused", definition), await preview(definition)];
    expect(created.status).toBeGreaterThanOrEqual(413);
    const told = ({ status, body }: typeof created) => [status, body.type, body.errors];
    expect(told(previewed)).toEqual(told(created));
  }
});

describe("a secret in the job of a schedule", () => {
  const token = "Bearer swordfish-1234567890";
  const fetching = {
    everyMs: 3_600_000,
    job: { type: "feed.fetch", data: { url: "http://feed.example/", authorization: token } },
  };

  test("is stored encrypted, shown redacted, and encrypted anew for each job", async () => {
    const made = await put("feed", fetching);
    expect(made.body.job.data.authorization).toBe("[secret]");
    const [row] = await stores.sql`select definition::text as text from schedules`;
    expect(row!["text"]).toMatch(/sealed:1:2026a:/);
    expect(row!["text"]).not.toContain("swordfish");

    const { id } = await producer.client.runSchedule("feed");
    const dispatched = JSON.parse(
      (await stores.redis.hget(jobKey(stores.prefix, "feeds", id), "data"))!,
    );
    expect(dispatched.authorization).toMatch(/^sealed:1:2026a:/);
    expect(row!["text"]).not.toContain(dispatched.authorization);
  });

  test("cannot be replaced by its redacted form", async () => {
    const { body } = await put("feed", fetching);
    const problem = _expectProblem(
      await put("feed", { everyMs: 1000, job: body.job }),
      "invalid-schedule",
    );
    expect(problem.errors?.[0]?.pointer).toBe("/job/data/authorization");
  });

  test("is refused without SECRET_KEYS and cannot be decrypted without its key", async () => {
    await put("feed", fetching);
    const keyless = await _startProducer(stores);
    const answer = await keyless.request(at("other"), { ..._json(fetching), method: "PUT" });
    _expectProblem(answer, "unstorable-secret");
    const run = await keyless.request(`${at("feed")}/run`, { method: "POST" });
    _expectProblem(run, "invalid-schedule");
    expect(run.text).not.toContain("swordfish");
    await keyless.close();
  });
});

test("a job without a schedule shows null", async () => {
  const { body } = await producer.post(_echo());
  expect((await producer.client.getJob(body.id)).schedule).toBeNull();
});

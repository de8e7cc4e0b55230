import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { jobKey, queueKeys } from "@toril/contract/engine/redis/names";
import {
  _echo,
  _expectProblem,
  _json,
  _nothing,
  _openStores,
  _startProducer,
} from "./_producer.ts";

const stores = await _openStores();
const producer = await _startProducer(stores);
const keys = queueKeys(stores.prefix, "default");
const hour = 3_600_000;

afterEach(() => stores.clear());
afterAll(async () => {
  await producer.close();
  await stores.close();
});

const inAnHour = () => new Date(Date.now() + hour).toISOString();

async function getOptions(id: string) {
  const opts = await stores.redis.hget(jobKey(stores.prefix, "default", id), "opts");
  return JSON.parse(opts ?? "null");
}

test("every option is stored in Postgres and BullMQ and returned", async () => {
  const expiresAt = inAnHour();
  const { body } = await producer.post(
    _echo("a", {
      priority: 7,
      attempts: 4,
      backoff: { type: "exponential", delay: 10, jitter: 0.5, max: 100 },
      timeoutMs: 5000,
      expiresAt,
      labels: ["nightly", "customer:42"],
    }),
  );
  const options = {
    attempts: 4,
    backoff: { type: "exponential", delay: 10, jitter: 0.5, max: 100 },
    priority: 7,
    timeoutMs: 5000,
  };
  const [row] = await stores.sql`select * from jobs`;
  expect(row).toMatchObject({ options, labels: ["nightly", "customer:42"] });
  expect(await getOptions(body.id)).toMatchObject({ ...options, expiresAt: Date.parse(expiresAt) });
  expect(await producer.client.getJob(body.id)).toMatchObject({
    state: "prioritized",
    priority: 7,
    expiresAt,
    labels: ["nightly", "customer:42"],
    attempts: { made: 0, max: 4 },
  });
  expect([...(await stores.sql`select term, job_id from job_terms order by term`)]).toEqual([
    { term: "l:customer:42", job_id: body.id },
    { term: "l:nightly", job_id: body.id },
  ]);
});

test("the newest job with order lifo runs next", async () => {
  const ids: string[] = [];
  for (const more of [{}, {}, { order: "lifo" }, { order: "fifo" }]) {
    ids.push((await producer.post(_echo("a", more))).body.id);
  }
  const [first, second, last, fourth] = ids;
  // Workers take jobs from the tail.
  expect(await stores.redis.lrange(keys.wait, 0, -1)).toEqual([fourth!, second!, first!, last!]);
});

test("runAt delays the job until its time in any offset", async () => {
  const due = new Date(Math.ceil(Date.now() / 1000) * 1000 + hour);
  const runAt = new Date(due.getTime() + 2 * hour).toISOString().replace(".000Z", "+02:00");
  const { body } = await producer.post(_echo("a", { runAt }));
  expect(body.runAt).toBe(due.toISOString());
  const score = Number(await stores.redis.zscore(keys.delayed, body.id));
  expect(Math.floor(score / 4096)).toBe(due.getTime());

  const { body: past } = await producer.post(_echo("a", { runAt: "2020-01-01T00:00:00Z" }));
  expect((await producer.client.getJob(past.id)).state).toBe("waiting");
});

describe("contradicting options are refused", () => {
  test.each([
    ["runAt beside delayMs", { runAt: inAnHour(), delayMs: 5 }, "/runAt"],
    ["runAt beyond a year", { runAt: "2999-01-01T00:00:00Z" }, "/runAt"],
    ["runAt that is no time", { runAt: "tomorrow" }, "/runAt"],
    ["lifo with a priority", { order: "lifo", priority: 1 }, "/order"],
    ["lifo with a delay", { order: "lifo", delayMs: 5000 }, "/order"],
    ["an expiry that has passed", { expiresAt: "2020-01-01T00:00:00Z" }, "/expiresAt"],
    ["an expiry before it is due", { expiresAt: inAnHour(), delayMs: 2 * hour }, "/expiresAt"],
    ["a policy without a key", { keyPolicy: { type: "once", windowMs: 1 } }, "/keyPolicy"],
    ["a priority of zero", { priority: 0 }, "/priority"],
    ["a priority beyond BullMQ's", { priority: 2_097_152 }, "/priority"],
    ["no label at all", { labels: [] }, "/labels"],
    ["a label of two lines", { labels: ["a\nb"] }, "/labels/0"],
    ["too many labels", { labels: Array.from({ length: 11 }, String) }, "/labels"],
    [
      "more than all jitter",
      { backoff: { type: "fixed", delay: 1, jitter: 1.1 } },
      "/backoff/jitter",
    ],
    ["no time at all", { timeoutMs: 0 }, "/timeoutMs"],
  ])("%s", async (_, options, pointer) => {
    const answer = await producer.post(_echo("a", options));
    const problem = _expectProblem(answer, "invalid-job");
    expect(problem.errors?.map((error) => error.pointer)).toContain(pointer);
    expect(await stores.count()).toEqual(_nothing);
  });
});

describe("a key with the policy once", () => {
  const once = { key: "k", keyPolicy: { type: "once", windowMs: hour } };

  test("is taken after its job has ended", async () => {
    const { body: first } = await producer.post(_echo("a", once));
    await stores.sql`update jobs set status = 'completed', settled_at = now()`;
    const { status, body } = await producer.post(_echo("b", once));
    expect([status, body.outcome, body.id, body.status]).toEqual([
      200,
      "duplicate",
      first.id,
      "completed",
    ]);
    expect((await producer.post(_echo("b", { ...once, key: "other" }))).status).toBe(201);
  });

  test("is free after its window, or when its job is deleted", async () => {
    await producer.post(_echo("a", once));
    await stores.sql`update jobs set status = 'completed'`;
    await stores.sql`update dedup_windows set until = now()`;
    expect((await producer.post(_echo("b", once))).body.outcome).toBe("created");
    await stores.sql`delete from jobs`;
    expect((await producer.post(_echo("c", once))).body.outcome).toBe("created");
  });

  test("creates no window when it is a duplicate of a pending job without a window", async () => {
    await producer.post(_echo("a", { key: "k" }));
    expect((await producer.post(_echo("b", once))).body.outcome).toBe("duplicate");
    await stores.sql`update jobs set status = 'completed'`;
    expect((await producer.post(_echo("b", once))).body.outcome).toBe("created");
  });

  test("is taken by one of many concurrent requests, single or bulk", async () => {
    const { body } = await producer.bulk([_echo("a", once), _echo("b", once)]);
    expect(body.counts).toEqual({ created: 1, duplicate: 1, rejected: 0 });
    await stores.sql`update jobs set status = 'completed'`;
    await stores.sql`update dedup_windows set until = now()`;
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, at) => producer.post(_echo(String(at), once))),
    );
    expect(answers.filter((answer) => answer.body.outcome === "created")).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
  });
});

describe("with dryRun nothing is stored", () => {
  test("a job is checked", async () => {
    const answer = await producer.request("/v1/jobs?dryRun=true", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(_echo("a", { key: "k" })),
    });
    expect([answer.status, answer.body]).toEqual([
      200,
      { dryRun: true, type: "echo", queue: "default", key: "k", runAt: null, expiresAt: null },
    ]);
    expect(await stores.count()).toEqual(_nothing);
  });

  test("the entries of a bulk are checked", async () => {
    const { status, body } = await producer.bulk(
      [_echo("a"), { type: "echo", data: {} }],
      "?atomicity=partial&dryRun=true",
    );
    expect([status, body.counts]).toEqual([200, { valid: 1, rejected: 1 }]);
    expect(await stores.count()).toEqual(_nothing);
  });

  test("an invalid Idempotency-Key is refused", async () => {
    const headers = { "Idempotency-Key": "x".repeat(256) };
    const answer = await producer.request("/v1/jobs?dryRun=true", _json(_echo(), headers));
    _expectProblem(answer, "invalid-parameter");
  });

  test("an unknown query parameter is refused", async () => {
    const answer = await producer.request("/v1/jobs?dryrun=true", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(_echo()),
    });
    _expectProblem(answer, "invalid-parameter");
    expect(await stores.count()).toEqual(_nothing);
  });
});

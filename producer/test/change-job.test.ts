import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { jobKey, lockKey, queueKeys } from "@toril/contract/engine/redis/names";
import { _bearer, _issue } from "./_keys.ts";
import {
  _echo,
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
} from "./_producer.ts";
import { _openProxy, type _Proxy } from "./_proxy.ts";

const hour = 3_600_000;
let stores: _Stores;
let producer: _Producer;
let proxy: _Proxy;

beforeAll(async () => {
  stores = await _openStores();
  proxy = await _openProxy(stores.settings.REDIS_URL);
  producer = await _startProducer(stores, { REDIS_URL: proxy.url });
});
afterEach(async () => {
  await stores.sql`delete from api_keys`;
  await stores.clear();
});
afterAll(async () => {
  await producer.close();
  proxy.close();
  await stores.close();
});

const keys = () => queueKeys(stores.prefix, "default");
const _make = async (more = {}): Promise<string> => (await producer.post(_echo("a", more))).body.id;
const _end = (id: string, status = "dead") => stores.sql`
  update jobs set status = ${status}, attempts = 3, error = '{"name":"Error","message":"no"}', settled_at = now()
  where id = ${id}`;
const _retry = (id: string, headers = {}) =>
  producer.request(`/v1/jobs/${id}/retry`, { method: "POST", headers });
const _promote = (id: string, headers = {}) =>
  producer.request(`/v1/jobs/${id}/promote`, { method: "POST", headers });
const _patch = (id: string, changes: unknown, headers: Record<string, string> = {}) =>
  producer.request(`/v1/jobs/${id}`, { ..._json(changes, headers), method: "PATCH" });
const _etag = async (id: string) =>
  (await producer.request(`/v1/jobs/${id}`)).headers.get("etag") ?? "";
/** As a worker locks its active job. */
const _lock = (id: string) => stores.redis.set(lockKey(stores.prefix, "default", id), "token");
const _row = async (id: string) => (await stores.sql`select * from jobs where id = ${id}`)[0];

/** Runs `work` while Redis is unavailable. */
async function _away(work: () => Promise<void>) {
  proxy.refuse();
  try {
    await work();
  } finally {
    proxy.pass();
    await _until(async () => (await producer.metric("toril_redis_unavailable")) === 0);
  }
}

describe("retry", () => {
  test.each(["dead", "completed", "cancelled", "expired"])(
    "a %s job becomes pending with the next generation, and its outcome is added to its history",
    async (status) => {
      const id = await _make({ expiresAt: new Date(Date.now() + hour).toISOString() });
      await _end(id, status);

      const answer = await _retry(id);

      expect(answer.status).toBe(202);
      expect(answer.headers.get("location")).toBe(`/v1/jobs/${id}`);
      expect(answer.body).toMatchObject({
        id,
        status: "pending",
        state: "waiting",
        error: null,
        expiresAt: null,
        settledAt: null,
        attempts: { made: 0, max: 3 },
      });
      expect(await stores.redis.exists(jobKey(stores.prefix, "default", `${id}-1`))).toBe(1);
      expect(await _row(id)).toMatchObject({
        generation: 1,
        history: [{ generation: 0, status, attempts: 3, error: { message: "no" } }],
      });
      _expectProblem(await _retry(id), "job-pending");
    },
  );

  test("a retry removes the failed job from Redis and keeps the last twenty outcomes", async () => {
    const id = await _make();
    for (let run = 0; run < 22; run += 1) {
      await _end(id);
      const bullId = run === 0 ? id : `${id}-${run}`;
      await stores.redis.lrem(keys().wait, 1, bullId);
      await stores.redis.zadd(keys().failed, 1, bullId);
      expect((await producer.client.retryJob(id)).status).toBe("pending");
      expect(await stores.redis.zcard(keys().failed)).toBe(0);
    }
    const history: { generation: number }[] = (await _row(id))?.["history"];
    expect(history.map(({ generation }) => generation)).toEqual(
      Array.from({ length: 20 }, (_, at) => at + 2),
    );
  });

  test("a retry is refused with 409 if another pending job has the key", async () => {
    const id = await _make({ key: "k" });
    await _end(id);
    await _make({ key: "k" });

    _expectProblem(await _retry(id), "key-taken");
    expect(await _row(id)).toMatchObject({ status: "dead", generation: 0, history: null });
  });

  test("a retried job is pending again in the counts of its import", async () => {
    const { body } = await producer.csv("a\n1\n");
    const { items } = await producer.client.listJobs({ importId: body.id });
    const id = items[0]!.id;
    await producer.client.cancelJob(id);

    await _retry(id);

    const { status, counts } = await producer.client.getImport(body.id);
    expect([status, counts.cancelled]).toEqual(["running", 0]);
  });

  test("a retry is recorded while Redis is unavailable", async () => {
    const id = await _make();
    await _end(id);
    await _away(async () => {
      expect(await _retry(id)).toMatchObject({
        status: 202,
        body: { status: "pending", state: null },
      });
    });
    expect((await producer.client.getJob(id)).state).toBe("undispatched");
    const noted = await stores.sql`select from undispatched_jobs where job_id = ${id}`;
    expect(noted).toHaveLength(1);
  });
});

describe("promote", () => {
  test.each([
    { more: {}, state: "waiting" },
    { more: { priority: 5 }, state: "prioritized" },
  ])("a delayed job with $more is $state at once", async ({ more, state }) => {
    const id = await _make({ delayMs: hour, ...more });

    const answer = await _promote(id);

    expect(answer).toMatchObject({ status: 200, body: { state, runAt: null } });
    expect(await stores.redis.zcard(keys().delayed)).toBe(0);
    expect(await stores.redis.zscore(keys().marker, "0")).toBe("0");
    _expectProblem(await _promote(id), "job-not-delayed");
  });

  test("a job waiting for its next attempt is promoted", async () => {
    const id = await _make();
    await stores.redis.lrem(keys().wait, 1, id);
    await stores.redis.zadd(keys().delayed, (Date.now() + hour) * 4096, id);

    expect((await producer.client.promoteJob(id)).state).toBe("waiting");
  });

  test("an active or settled job cannot be promoted: 409", async () => {
    const id = await _make();
    await _lock(id);
    _expectProblem(await _promote(id), "job-active");
    await _end(id);
    _expectProblem(await _promote(id), "job-ended");
  });

  test("nothing changes while Redis is unavailable", async () => {
    const id = await _make({ delayMs: hour });
    const before = await _row(id);
    await _away(async () => {
      for (const _ of [1, 2]) _expectProblem(await _promote(id), "at-capacity");
    });
    expect(await _row(id)).toEqual(before);
  });
});

describe("change", () => {
  test("the delay and priority of a waiting job change", async () => {
    const id = await _make();
    const before = await _etag(id);

    const later = await _patch(id, { delayMs: hour, priority: 7 }, { "If-Match": before });

    expect(later).toMatchObject({ status: 200, body: { state: "delayed", priority: 7 } });
    expect(later.headers.get("etag")).not.toBe(before);
    expect(await _etag(id)).toBe(later.headers.get("etag")!);
    expect(await stores.redis.llen(keys().wait)).toBe(0);
    const due = Number(await stores.redis.zscore(keys().delayed, id)) / 4096;
    expect(Math.abs(due - Date.now() - hour)).toBeLessThan(60_000);

    const now = await _patch(id, { delayMs: 0 }, { "If-Match": later.headers.get("etag")! });
    expect(now.body).toMatchObject({ state: "prioritized", runAt: null, priority: 7 });

    const plain = await producer.client.changeJob(id, now.headers.get("etag")!, { priority: null });
    expect(plain).toMatchObject({ state: "waiting", priority: null });
    expect(await _row(id)).toMatchObject({ run_at: null });
    expect(await stores.redis.lrange(keys().wait, 0, -1)).toEqual([id]);
  });

  test("a delayed job keeps its time when only its priority changes", async () => {
    const id = await _make({ delayMs: hour });
    const score = await stores.redis.zscore(keys().delayed, id);

    await _patch(id, { priority: 3 }, { "If-Match": "*" });

    expect(await stores.redis.zscore(keys().delayed, id)).toBe(score);
    expect((await _promote(id)).body).toMatchObject({ state: "prioritized", priority: 3 });
  });

  test("a change requires the current version", async () => {
    const id = await _make();
    const stale = await _etag(id);
    await _patch(id, { priority: 1 }, { "If-Match": stale });

    _expectProblem(await _patch(id, { priority: 2 }), "precondition-required");
    for (const tag of [stale, "0-pending-1-0-0", '""', 'W/"0-pending-1-0-0"']) {
      _expectProblem(await _patch(id, { priority: 2 }, { "If-Match": tag }), "precondition-failed");
    }
    expect((await producer.client.getJob(id)).priority).toBe(1);
    // The part of an ETag after the dot does not belong to the version.
    const current = (await _etag(id)).replace(/"$/, '.of-this-answer"');
    const either = { "If-Match": `${stale}, ${current}` };
    expect((await _patch(id, { priority: 2 }, either)).status).toBe(200);
  });

  test("one of two concurrent changes is stale", async () => {
    const id = await _make();
    const headers = { "If-Match": await _etag(id) };
    const answers = await Promise.all([2, 3].map((priority) => _patch(id, { priority }, headers)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 412]);
  });

  test("an active or settled job cannot be changed: 409", async () => {
    const id = await _make();
    await _lock(id);
    const before = await _row(id);
    _expectProblem(await _patch(id, { delayMs: hour }, { "If-Match": "*" }), "job-active");
    expect(await _row(id)).toEqual(before);
    await _end(id);
    _expectProblem(await _patch(id, { delayMs: hour }, { "If-Match": "*" }), "job-ended");
    await stores.sql`update jobs set expires_at = now() where id = ${id}`;
    _expectProblem(await _patch(id, { delayMs: hour }, { "If-Match": "*" }), "job-ended");
  });

  test.each([
    [{}, ""],
    [{ priority: 0 }, "/priority"],
    [{ attempts: 3 }, "/attempts"],
    [{ delayMs: 1, runAt: "2027-01-01T00:00:00Z" }, "/runAt"],
    [{ runAt: "2099-01-01T00:00:00Z" }, "/runAt"],
    [{ delayMs: 2 * hour }, "/runAt"],
  ])("%j is refused", async (changes, pointer) => {
    const id = await _make({ expiresAt: new Date(Date.now() + hour).toISOString() });
    const problem = _expectProblem(await _patch(id, changes, { "If-Match": "*" }), "invalid-job");
    expect(problem.errors?.[0]?.pointer).toBe(pointer);
  });

  test("nothing changes while Redis is unavailable", async () => {
    const id = await _make();
    const before = await _row(id);
    await _away(async () => {
      for (const _ of [1, 2]) {
        _expectProblem(await _patch(id, { priority: 1 }, { "If-Match": "*" }), "at-capacity");
      }
    });
    expect(await _row(id)).toEqual(before);
  });
});

test("a key restricted to other types changes nothing", async () => {
  const id = await _make({ delayMs: hour });
  const { key } = await _issue(stores, ["jobs:write"], { types: ["row.import"] });
  const headers = { ..._bearer(key), "If-Match": "*" };
  for (const answer of [
    await _retry(id, headers),
    await _promote(id, headers),
    await _patch(id, { delayMs: 0 }, headers),
  ]) {
    _expectProblem(answer, "forbidden-resource");
  }
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { echo } from "@toril/contract/api/job-types/echo";
import type { feedFetch } from "@toril/contract/api/job-types/feed-fetch";
import { jobKey, queueKeys } from "@toril/contract/engine/redis/names";
import { createKeyRing, type SecretKey } from "@toril/contract/engine/secrets/key-ring";
import { type Handler, NonRetryableError } from "../src/worker/handler.ts";
import { _jobIn, _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

const token = "Bearer swordfish-1234567890";
const data = { url: "http://feed.example/", authorization: token };
const [young, old] = [_key("2026a"), _key("2025b")];
const ring = createKeyRing([young]);
const olderRing = createKeyRing([old]);

let world: _World;

beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

function _key(id: string): SecretKey {
  return { id, bytes: crypto.getRandomValues(new Uint8Array(32)) };
}

function _secretKeys(...keys: SecretKey[]) {
  return keys.map(({ id, bytes }) => `${id}:${Buffer.from(bytes).toString("base64")}`).join(",");
}

function _accept(keys = ring) {
  return world.accept({ type: "feed.fetch", data, attempts: 2 }, { attempts: 2 }, keys);
}

async function _consume(
  handler: Handler<typeof feedFetch>,
  env: Record<string, string> = { SECRET_KEYS: _secretKeys(young) },
) {
  const lines: Record<string, unknown>[] = [];
  const consumer = await _startConsumer(world, {
    env,
    handlers: { "feed.fetch": handler },
    log: (line) => lines.push(line),
  });
  return Object.assign(consumer, { lines });
}

const _nothing = {
  items: 0,
  new: 0,
  changed: 0,
  same: 0,
  duplicate: 0,
  skipped: 0,
  notModified: false,
};

describe("a handler", () => {
  test("receives decrypted secrets, which the stores hold encrypted", async () => {
    const seen: unknown[] = [];
    const job = await _accept();
    expect(job.data).not.toContain("swordfish");
    await using _ = await _consume(async (data) => {
      seen.push(data);
      return _nothing;
    });

    expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed" });
    expect(seen).toEqual([data]);
  });

  test("receives secrets also when Redis lost the job's hash, and after a key rotation", async () => {
    const seen: unknown[] = [];
    const job = await _accept(olderRing);
    await world.redis.del(jobKey(world.prefix, "feeds", job.id));
    await using _ = await _consume(
      async (data) => {
        seen.push(data);
        return _nothing;
      },
      { SECRET_KEYS: _secretKeys(young, old) },
    );

    expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed" });
    expect(seen).toEqual([data]);
  });

  test("cannot reveal its secrets in logs, progress or errors", async () => {
    const job = await _accept();
    const consumer = await _consume(async ({ authorization }, context) => {
      context.progress({ [`${authorization}`]: authorization });
      context.log.info({ authorization, err: new Error(authorization) }, `sent ${authorization}`);
      context.log.warn(new Error(`warned of ${authorization}`) as never);
      throw Object.assign(new Error(`refused ${JSON.stringify({ authorization })}`), {
        name: `${authorization}`,
      });
    });
    await using _ = consumer;
    const events = queueKeys(world.prefix, "feeds").events;
    const streamed: string[] = [];
    const row = await world.waitForEnd(job.id);
    streamed.push(JSON.stringify(await world.redis.xrange(events, "-", "+")));

    expect(row).toMatchObject({ status: "dead", attempts: 2 });
    expect(row?.["error"]).toMatchObject({
      name: "[secret]",
      message: 'refused {"authorization":"[secret]"}',
    });
    await _jobIn(world.queue("feeds"), "failed", job.id);
    const hash = await world.getHash(job.id, "feeds");
    expect(hash).toMatchObject({ progress: '{"[secret]":"[secret]"}' });
    expect(consumer.lines.map((line) => line["msg"])).toEqual(
      expect.arrayContaining(["sent [secret]", "warned of [secret]", "job is dead"]),
    );
    for (const text of [row, hash, streamed, consumer.lines]) {
      expect(JSON.stringify(text)).toContain("[secret]");
      expect(JSON.stringify(text)).not.toContain("swordfish");
    }
  });

  test("that returns its secrets has its result redacted", async () => {
    const job = await world.accept(
      { type: "feed.fetch", data: { url: data.url, authorization: "12345" } },
      {},
      ring,
    );
    await using _ = await _consume(async () => ({ ..._nothing, items: 12_345 }));

    expect(await world.waitForEnd(job.id)).toMatchObject({
      status: "completed",
      result: { ..._nothing, items: "[secret]" },
    });
  });

  test("may enqueue jobs with secrets, which are encrypted; without keys they are refused", async () => {
    const refused: unknown[] = [];
    const child = { type: "feed.fetch", data: { ...data, source: "child" } } as const;
    const parent: Handler<typeof echo> = async ({ message }, { enqueue }) => {
      refused.push((await enqueue([child])).refused);
      return { message };
    };
    for (const env of [{ SECRET_KEYS: _secretKeys(young) }, { SECRET_KEYS: "" }]) {
      const consumer = await _startConsumer(world, {
        env: { ...env, BULL_QUEUE_NAME: "default" },
        handlers: { echo: parent },
      });
      const job = await world.accept({ type: "echo", data: { message: "m" } });
      expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed" });
      await consumer.close();
    }

    expect(refused).toEqual([
      [],
      [{ index: 0, detail: expect.stringContaining("no encryption key") }],
    ]);
    const children = await world.sql`select data from jobs where data->>'source' = 'child'`;
    expect(children.map((row) => row["data"].authorization)).toEqual([
      expect.stringMatching(/^sealed:1:2026a:/),
    ]);
    await world.sql`update jobs set status = 'cancelled' where data->>'source' = 'child'`;
  });
});

describe("a secret that cannot be decrypted", () => {
  const never: Handler<typeof feedFetch> = async () => {
    throw new NonRetryableError("the handler ran");
  };

  test("delays its job while its key is missing, without using an attempt", async () => {
    const job = await _accept(olderRing);
    for (const SECRET_KEYS of [_secretKeys(young), ""]) {
      const consumer = await _consume(never, { SECRET_KEYS });
      const delayed = await _jobIn(world.queue("feeds"), "delayed", job.id);
      expect(delayed.attemptsMade).toBe(0);
      const line = consumer.lines.find(({ keyId }) => keyId === "2025b");
      expect(line).toMatchObject({ level: "warn", msg: expect.stringContaining("2025b") });
      await consumer.close();
      await delayed.changeDelay(0);
    }
    await using _ = await _consume(async () => _nothing, { SECRET_KEYS: _secretKeys(young, old) });

    expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed", attempts: 1 });
  });

  test("makes its job dead when the key is missing for too long", async () => {
    const job = await _accept(olderRing);
    await world.redis.hset(jobKey(world.prefix, "feeds", job.id), "ats", "5000");
    await using _ = await _consume(never);

    expect(await world.waitForEnd(job.id)).toMatchObject({
      status: "dead",
      error: { message: expect.stringContaining("needs the key 2025b") },
    });
  });

  test("makes its job dead at once when it was altered", async () => {
    const job = await _accept();
    const altered = job.data.replace(
      /(sealed:1:2026a:.{20})(.)/,
      (_, start, next) => `${start}${next === "A" ? "B" : "A"}`,
    );
    expect(altered).not.toBe(job.data);
    await world.redis.hset(jobKey(world.prefix, "feeds", job.id), "data", altered);
    await using _ = await _consume(never);

    expect(await world.waitForEnd(job.id)).toMatchObject({
      status: "dead",
      attempts: 1,
      error: { message: "The secret at /authorization was altered or belongs to another job." },
    });
  });

  test("makes its job dead at once when it was copied from another job", async () => {
    const [from, to] = [await _accept(), await _accept()];
    await world.sql`update jobs set data = ${from.data}::text::jsonb where id = ${to.id}`;
    await world.redis.hset(jobKey(world.prefix, "feeds", to.id), "data", from.data);
    await using _ = await _consume(async () => _nothing);

    expect(await world.waitForEnd(from.id)).toMatchObject({ status: "completed" });
    expect(await world.waitForEnd(to.id)).toMatchObject({
      status: "dead",
      error: { message: expect.stringContaining("belongs to another job") },
    });
  });
});

test("a consumer without keys runs all jobs without secrets", async () => {
  await using _ = await _consume(async () => _nothing, {});
  const job = await world.accept({ type: "feed.fetch", data: { url: data.url } });

  expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed" });
  await _until(async () => (await world.queue("feeds").count()) === 0);
});

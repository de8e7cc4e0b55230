import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { jobKey } from "@toril/contract/engine/redis/names";
import {
  _expectProblem,
  _nothing,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

const [oldKey, newKey] = ["2025b", "2026a"].map((id) => `${id}:${_randomKey()}`) as [
  string,
  string,
];
const token = "Bearer swordfish-1234567890";

let stores: _Stores;
let producer: _Producer;

beforeAll(async () => {
  stores = await _openStores();
  producer = await _startProducer(stores, { SECRET_KEYS: oldKey });
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});
afterEach(() => stores.clear());

function _randomKey() {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64");
}

function _feed(authorization: unknown = token, more: object = {}) {
  return { type: "feed.fetch", data: { url: "http://feed.example/", authorization }, ...more };
}

const _open = { type: "feed.fetch", data: { url: "http://feed.example/" } };

/** Returns the data of a job, the same in both stores. */
async function _storedData(id: string) {
  const [row] = await stores.sql`select data from jobs where id = ${id}`;
  const dispatched = await stores.redis.hget(jobKey(stores.prefix, "feeds", id), "data");
  expect(JSON.parse(dispatched!)).toEqual(row?.["data"]);
  return row?.["data"] as { url: string; authorization: string };
}

describe("a job with a secret", () => {
  test("is stored encrypted and shown redacted", async () => {
    const { status, body } = await producer.post(_feed());
    expect(status).toBe(201);

    const stored = await _storedData(body.id);
    expect(stored.url).toBe("http://feed.example/");
    expect(stored.authorization).toMatch(/^sealed:1:2025b:/);
    const shown = { url: "http://feed.example/", authorization: "[secret]" };
    expect((await producer.request(`/v1/jobs/${body.id}`)).body.data).toEqual(shown);
    expect((await producer.request("/v1/jobs")).body.items[0].data).toEqual(shown);
  });

  test("is encrypted on every way of creating jobs", async () => {
    const bulk = await producer.bulk([_feed(), _feed()]);
    expect(bulk.status).toBe(201);
    const ndjson = await producer.bulk(JSON.stringify(_feed()), "", {
      "Content-Type": "application/x-ndjson",
    });
    expect(ndjson.status).toBe(201);
    const file = `url,authorization\nhttp://feed.example/,${token}\n`;
    expect((await producer.csv(file, "?type=feed.fetch")).status).toBe(201);

    const rows = await stores.sql`select id from jobs`;
    expect(rows).toHaveLength(4);
    for (const { id } of rows) {
      expect((await _storedData(id as string)).authorization).toStartWith("sealed:1:2025b:");
    }
  });

  test("is redacted in Bull Board", async () => {
    const { body } = await producer.post(_feed());

    const queue = "feeds";
    for (const path of [
      `/api/queues?activeQueue=${queue}&status=latest&page=1&jobsPerPage=10`,
      `/api/queues/${queue}/${body.id}`,
    ]) {
      const { status, text } = await producer.request(`/admin/queues${path}`);
      expect(status).toBe(200);
      expect(text).toContain(body.id);
      expect(text).toContain("[secret]");
      expect(text).not.toContain("sealed:");
    }
  });

  test("is refused when its key contains the secret", async () => {
    const problem = _expectProblem(
      await producer.post(_feed(token, { key: token })),
      "invalid-job",
    );

    expect(problem.errors?.map((error) => error.pointer)).toEqual(["/key"]);
    expect(JSON.stringify(problem)).not.toContain("swordfish");
    expect(await stores.count()).toEqual(_nothing);
  });

  test.each([[`${token}\n`], [1_234_567_890], [["swordfish"]], [{ is: token }]])(
    "is refused without returning an invalid secret: %j",
    async (wrong: unknown) => {
      const single = await producer.post(_feed(wrong));
      _expectProblem(single, "invalid-job");
      const bulk = await producer.bulk([_feed(wrong)], "?atomicity=partial", {
        "Idempotency-Key": crypto.randomUUID(),
      });
      expect(bulk.body.counts.rejected).toBe(1);

      const kept = await stores.sql`select idempotency_keys::text from idempotency_keys`;
      for (const text of [single.text, bulk.text, JSON.stringify(kept)]) {
        expect(text).not.toContain("swordfish");
        expect(text).not.toContain("1234567890");
      }
    },
  );

  test("has the same size limit with and without encryption", async () => {
    const source = "s".repeat(255);
    const url = `http://feed.example/${"x".repeat(900)}`;
    const data = { url, source, authorization: "y".repeat(8192) };

    expect((await producer.post({ type: "feed.fetch", data })).status).toBe(201);
  });
});

describe("without keys", () => {
  let keyless: _Producer;
  beforeAll(async () => {
    keyless = await _startProducer(stores);
  });
  afterAll(() => keyless.close());

  test("a job with a secret is refused", async () => {
    const problem = _expectProblem(await keyless.post(_feed()), "unstorable-secret");
    expect(problem.errors).toEqual([
      { pointer: "/data/authorization", detail: expect.any(String) },
    ]);
    const bulk = await keyless.bulk([_feed(), _open], "?atomicity=partial");
    expect(bulk.body.counts).toEqual({ created: 1, duplicate: 0, rejected: 1 });
    const imported = await keyless.csv(
      `url,authorization\nhttp://feed.example/,${token}\n`,
      "?type=feed.fetch",
    );
    expect(imported.body.counts).toMatchObject({ accepted: 0, rejected: 1 });
    expect(imported.text).not.toContain("swordfish");
  });

  test("a job of the same type without a secret is accepted and shown unchanged", async () => {
    const { status, body } = await keyless.post(_open);
    expect(status).toBe(201);

    const { data } = (await keyless.request(`/v1/jobs/${body.id}`)).body;
    expect(data).toEqual({ url: "http://feed.example/" });
  });

  test("encrypted data of others is shown redacted", async () => {
    const { body } = await producer.post(_feed());

    const { data } = (await keyless.request(`/v1/jobs/${body.id}`)).body;
    expect(data.authorization).toBe("[secret]");
  });
});

describe("an Idempotency-Key", () => {
  test("is stored with a keyed hash", async () => {
    const hashes = new Set<string>();
    for (const SECRET_KEYS of [oldKey, newKey, ""]) {
      const one = await _startProducer(stores, SECRET_KEYS ? { SECRET_KEYS } : {});
      await one.post({ type: "echo", data: { message: "m" } }, { "Idempotency-Key": "k" });
      await one.close();
      const [row] = await stores.sql`select request_hash from idempotency_keys`;
      hashes.add(row?.["request_hash"] as string);
      await stores.clear();
    }

    expect(hashes.size).toBe(3);
  });

  test("gets the original response after keys were introduced or rotated", async () => {
    const body = { type: "echo", data: { message: "m" } };
    const ids = new Map<string, string>();
    for (const SECRET_KEYS of ["", oldKey, `${newKey},${oldKey}`]) {
      const one = await _startProducer(stores, SECRET_KEYS ? { SECRET_KEYS } : {});
      ids.set(
        SECRET_KEYS,
        (await one.post(body, { "Idempotency-Key": SECRET_KEYS || "-" })).body.id,
      );
      for (const [key, id] of ids) {
        const again = await one.post(body, { "Idempotency-Key": key || "-" });
        expect(again.headers.get("idempotency-replayed")).toBe("true");
        expect(again.body.id).toBe(id);
      }
      const other = await one.post(
        { type: "echo", data: { message: "other" } },
        { "Idempotency-Key": "-" },
      );
      _expectProblem(other, "idempotency-key-reused");
      await one.close();
    }
  });

  test("replays the response of a job with a secret, which is encrypted once", async () => {
    const first = await producer.post(_feed(), { "Idempotency-Key": "k" });
    const again = await producer.post(_feed(), { "Idempotency-Key": "k" });

    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(again.body).toEqual(first.body);
    _expectProblem(
      await producer.post(_feed("Bearer another-1234567890"), { "Idempotency-Key": "k" }),
      "idempotency-key-reused",
    );
    expect((await stores.count()).jobs).toBe(1);
  });
});

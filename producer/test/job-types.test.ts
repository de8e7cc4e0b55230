import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { _bearer, _issue } from "./_keys.ts";
import {
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
} from "./_producer.ts";

let stores: _Stores;
let producer: _Producer;
let other: _Producer;
const secretKey = `2026a:${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;

beforeAll(async () => {
  stores = await _openStores();
  producer = await _startProducer(stores, { SECRET_KEYS: secretKey });
  other = await _startProducer(stores, { SECRET_KEYS: secretKey });
});
afterAll(async () => {
  await other.close();
  await producer.close();
  await stores.close();
});
afterEach(async () => {
  await stores.sql`delete from schedules`;
  await stores.clear();
});

const mail = {
  data: {
    type: "object",
    properties: {
      to: { type: "string", format: "email" },
      customer: { type: "object", properties: { id: { type: "integer" } } },
      token: { type: "string" },
    },
    required: ["to"],
    additionalProperties: false,
  },
  result: { type: "object", required: ["sent"], properties: { sent: { type: "boolean" } } },
};

function put(
  type: string,
  registration: object,
  { at = producer, query = "", headers = {} }: PutOptions = {},
) {
  return at.request(`/v1/job-types/${type}${query}`, {
    ..._json(registration, headers),
    method: "PUT",
  });
}
interface PutOptions {
  at?: _Producer;
  query?: string;
  headers?: Record<string, string>;
}

function erase(type: string, headers: Record<string, string> = {}) {
  return producer.request(`/v1/job-types/${type}`, { method: "DELETE", headers });
}

/** A name that no other test uses. */
let count = 0;
function _name() {
  count += 1;
  return `mail.send-${count}`;
}

describe("a registered type", () => {
  test("is accepted at once by the producer that registered it, and by every other one", async () => {
    const type = _name();
    const created = await put(type, { ...mail, queue: type, attempts: 5, priority: 7 });
    expect(created.status).toBe(201);
    expect(created.headers.get("location")).toBe(`/v1/job-types/${type}`);
    expect(created.body).toMatchObject({
      type,
      source: "api",
      worker: "pull",
      queue: type,
      attempts: 5,
      priority: 7,
      version: 1,
      data: mail.data,
      result: mail.result,
    });

    for (const at of [other, producer]) {
      const { status, body } = await at.post({ type, data: { to: "a@example.org" } });
      expect([status, body]).toMatchObject([201, { type, queue: type, status: "pending" }]);
    }
    const [row] = await stores.sql<{ options: object }[]>`select options from jobs limit 1`;
    expect(row?.options).toMatchObject({ attempts: 5, priority: 7 });
  });

  test("is known to another producer in bulk requests, imports, filters, schedules and keys", async () => {
    const types = Array.from({ length: 5 }, _name);
    for (const type of types) expect((await put(type, { data: mail.data })).status).toBe(201);
    const [bulk = "", csv = "", list = "", schedule = "", key = ""] = types;
    const entry = { type: bulk, data: { to: "a@example.org" } };
    const bulked = await other.bulk([entry, { ...entry, data: {} }, entry], "?atomicity=partial");
    expect(bulked.body).toMatchObject({ counts: { created: 2, rejected: 1 } });
    const imported = await other.csv("to\na@example.org\nb\n", `?type=${csv}`);
    expect(imported.body).toMatchObject({ counts: { read: 2, accepted: 1, rejected: 1 } });
    expect((await other.request(`/v1/jobs?type=${list}&queue=${list}`)).body).toMatchObject({
      items: [],
    });
    const definition = { everyMs: 60_000, job: { type: schedule, data: { to: "a@example.org" } } };
    const scheduled = await other.request(`/v1/schedules/nightly`, {
      ..._json(definition),
      method: "PUT",
    });
    expect(scheduled.status).toBe(201);
    // Without a scope that would turn authentication on for the other tests.
    const refused = await other.request(
      "/v1/keys",
      _json({ name: "a", scopes: ["jobs:read"], types: [key, "nobody"] }),
    );
    expect(_expectProblem(refused, "invalid-key").errors).toMatchObject([{ pointer: "/types/1" }]);
  });

  test("refuses data with pointers", async () => {
    const type = _name();
    await put(type, mail);
    const cases: [unknown, string[]][] = [
      [{ to: 1 }, ["/data/to"]],
      [{}, ["/data/to"]],
      [{ to: "a@example.org", "a/b": 1 }, ["/data/a~1b"]],
      [{ to: "a@example.org", customer: { id: 1.5 } }, ["/data/customer/id"]],
      [undefined, ["/data"]],
      ["text", ["/data"]],
    ];
    for (const [data, pointers] of cases) {
      const problem = _expectProblem(await producer.post({ type, data }), "invalid-job");
      expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(pointers);
    }
  });

  test("is found by its searchable fields, and its secrets are encrypted and never returned", async () => {
    const type = _name();
    const fields = { searchable: ["/customer/id"], secret: ["/token"] };
    expect((await put(type, { ...mail, ...fields })).status).toBe(201);
    const data = { to: "a@example.org", customer: { id: 42 }, token: "s3cret" };
    const { body } = await other.post({ type, data });
    await producer.post({ type, data: { ...data, customer: { id: 43 } } });
    const found = await other.request("/v1/jobs?data.customer.id=42");
    expect(found.body).toMatchObject({
      items: [{ id: (body as { id: string }).id, data: { ...data, token: "[secret]" } }],
    });
    const [row] = await stores.sql<{ text: string }[]>`select data::text as text from jobs limit 1`;
    expect(row?.text).not.toContain("s3cret");
    _expectProblem(await producer.request("/v1/jobs?data.nothing=42"), "invalid-parameter");
  });

  test("is in the documents of the service", async () => {
    const type = _name();
    const shared = { type: "string", maxLength: 7 };
    const data = { type: "object", properties: { a: { $ref: "#/$defs/s" } }, $defs: { s: shared } };
    await put(type, { data });
    const { text } = await producer.request("/openapi.json");
    const { schemas } = (JSON.parse(text) as { components: { schemas: Record<string, unknown> } })
      .components;
    expect(schemas[`JobData.${type}`]).toEqual({
      type: "object",
      properties: { a: shared },
    });
    expect(schemas[`JobRequest.${type}`]).toMatchObject({
      properties: { data: { $ref: `#/components/schemas/JobData.${type}` } },
    });
  });

  test("has a queue that is listed, controlled and followed", async () => {
    const type = _name();
    await put(type, { data: {} }, { at: other });
    await producer.post({ type, data: 1 });
    const queues = await producer.request("/v1/queues");
    expect(queues.text).toContain(`"name":"${type}"`);
    const one = await producer.request(`/v1/queues/${type}`);
    expect(one.body).toMatchObject({ counts: { waiting: 1 } });
    expect((await producer.request("/metrics")).text).toContain(`queue="${type}"`);
    expect((await producer.request("/admin/queues/api/queues")).text).toContain(`"name":"${type}"`);
  });
});

test("the example of docs/job-types.md works, and the client knows the operations", async () => {
  const page = await Bun.file(new URL("../../docs/job-types.md", import.meta.url)).text();
  const registration = JSON.parse(/v1\/job-types\/mail\.send.*?-d '(.*?)'/s.exec(page)?.[1] ?? "");
  const { client } = producer;
  const { type, version } = await client.putJobType("mail.send", registration);
  const accepted = await producer.post({ type, data: { to: "a@example.org", text: "hello" } });
  expect(accepted.status).toBe(201);
  expect(await client.getJobType(type)).toMatchObject({ worker: "bullmq", queue: "mail", version });
  const { items } = await client.listJobTypes({ limit: 500 });
  expect(items.map((item) => item.type)).toContain(type);
  await client.cancelJob((accepted.body as { id: string }).id);
  expect(await client.deleteJobType(type)).toMatchObject({ type });
});

describe("a change", () => {
  const data = { to: "a@example.org" };
  const stricter = {
    ...mail,
    data: { ...mail.data, required: ["to", "token"] },
    result: { ...mail.result, required: ["sent", "at"] },
  };

  test("follows conditional requests, and is known to every producer soon", async () => {
    const type = _name();
    const { headers } = await put(type, mail, { headers: { "If-None-Match": "*" } });
    const etag = headers.get("etag") ?? "";
    expect(etag).toStartWith('"1.');
    const address = `/v1/job-types/${type}`;
    const read = await other.request(address);
    expect([read.status, read.headers.get("etag")]).toEqual([200, etag]);
    const again = await other.request(address, { headers: { "If-None-Match": etag } });
    expect(again.status).toBe(304);
    _expectProblem(
      await put(type, mail, { headers: { "If-None-Match": "*" } }),
      "precondition-failed",
    );

    expect((await put(type, mail, { headers: { "If-Match": etag } })).headers.get("etag")).toBe(
      etag,
    );
    const changed = await put(type, stricter, { headers: { "If-Match": etag } });
    expect([changed.status, changed.body]).toMatchObject([200, { version: 2 }]);
    _expectProblem(await put(type, mail, { headers: { "If-Match": etag } }), "precondition-failed");
    expect((await producer.post({ type, data })).status).toBe(422);
    await _until(async () => (await other.post({ type, data })).status === 422);
  });

  test("that breaks pending jobs is refused with what breaks, unless it is forced", async () => {
    const type = _name();
    await put(type, { ...mail, secret: ["/token"] });
    const { body } = await other.post({ type, data, delayMs: 60_000 });
    const next = { ...stricter, worker: "bullmq", queue: `${type}.next` };
    const problem = _expectProblem(await put(type, next), "breaking-change");
    expect(problem.errors).toMatchObject([
      { pointer: "/data/required", detail: "token is required now" },
      { pointer: "/result/required", detail: "at is required now" },
      { pointer: "/queue" },
      { pointer: "/worker" },
      { pointer: "/secret" },
    ]);
    const looser = { ...mail, secret: ["/token"], data: { ...mail.data, required: [] } };
    expect((await put(type, looser)).status).toBe(200);
    expect(
      (await put(type, { ...stricter, secret: ["/token"] }, { query: "?force=true" })).status,
    ).toBe(200);

    const { id } = body as { id: string };
    await producer.request(`/v1/jobs/${id}`, { method: "DELETE" });
    expect((await put(type, next)).status).toBe(200);
  });

  test("that breaks a schedule is refused", async () => {
    const type = _name();
    await put(type, mail);
    await producer.request(`/v1/schedules/nightly`, {
      ..._json({ cron: "30 2 * * *", job: { type, data } }),
      method: "PUT",
    });
    _expectProblem(await put(type, stricter), "breaking-change");
    _expectProblem(await erase(type), "job-type-in-use");
  });
});

describe("a registration is refused", () => {
  const string = (count: number) => ({ type: "string", description: "x".repeat(count) });
  const cases: [string, object, string[]][] = [
    ["without a schema", {}, ["/data"]],
    ["an unknown option", { ...mail, retries: 1 }, ["/retries"]],
    ["a handler", { ...mail, worker: "handler" }, ["/worker"]],
    [
      "no JSON Schema",
      { data: { properties: { a: { type: "text" } } } },
      ["/data/properties/a/type"],
    ],
    ["an unknown keyword", { data: { properties: { a: { min: 1 } } } }, ["/data/properties/a/min"]],
    [
      "another dialect",
      { data: { $schema: "http://json-schema.org/draft-07/schema#" } },
      ["/data/$schema"],
    ],
    ["a remote reference", { data: { $ref: "https://example.org/a.json" } }, ["/data/$ref"]],
    ["a missing reference", { data: { $ref: "#/$defs/a" } }, ["/data/$ref"]],
    [
      "an endless reference",
      { data: { $defs: { a: { allOf: [{ $ref: "#/$defs/a" }] } } } },
      ["/data/$defs/a/allOf/0/$ref"],
    ],
    ["look-around", { data: {}, result: { pattern: "(?=a)" } }, ["/result/pattern"]],
    ["a back-reference", { data: { pattern: "(a)\\1" } }, ["/data/pattern"]],
    ["large repetitions", { data: { pattern: "(a{1,100}){1,10}b{900}" } }, ["/data/pattern"]],
    ["unbounded comparisons", { data: { uniqueItems: true } }, ["/data/uniqueItems"]],
    ["a large schema", { data: { anyOf: [string(40_000), string(40_000)] } }, ["/data"]],
    ["a searchable secret", { ...mail, secret: ["/a"], searchable: ["/a/b"] }, ["/searchable/0"]],
    ["no pointer", { ...mail, secret: ["token"] }, ["/secret/0"]],
    ["a key without a field", { ...mail, key: "constant" }, ["/key"]],
    ["a key with a malformed field", { ...mail, key: "{/to}-{id}" }, ["/key"]],
    [
      "a rate limit of stock workers",
      { ...mail, worker: "bullmq", rateLimit: { key: "/to", max: 1, durationMs: 1 } },
      ["/rateLimit"],
    ],
    ["a secret of stock workers", { ...mail, worker: "bullmq", secret: ["/token"] }, ["/secret"]],
  ];
  test.each(cases)("%s", async (_, registration, pointers) => {
    const problem = _expectProblem(await put("mail.refused", registration), "invalid-job-type");
    const found = problem.errors?.map(({ pointer }) => pointer);
    expect([...new Set(found)]).toEqual(pointers);
  });

  test("nested schemas and references that multiply", async () => {
    let deep: object = { type: "string" };
    for (let depth = 0; depth < 33; depth += 1) deep = { items: deep };
    _expectProblem(await put("mail.refused", { data: deep }), "invalid-job-type");
    // 2 to the power of 12 schemas.
    const $defs: Record<string, object> = { d0: { type: "string" } };
    for (let level = 1; level <= 12; level += 1) {
      const part = { $ref: `#/$defs/d${level - 1}` };
      $defs[`d${level}`] = { anyOf: [part, part] };
    }
    const data = { $ref: "#/$defs/d12", $defs };
    const problem = _expectProblem(await put("mail.refused", { data }), "invalid-job-type");
    expect(problem.errors).toMatchObject([{ pointer: "/data" }]);
  });

  test("a name or queue that is taken", async () => {
    _expectProblem(await put("echo", mail), "job-type-conflict");
    _expectProblem(await erase("echo"), "job-type-conflict");
    const type = _name();
    _expectProblem(await put(type, { ...mail, queue: "imports" }), "job-type-conflict");
    await put(type, mail);
    _expectProblem(
      await put(_name(), { ...mail, queue: type, worker: "bullmq" }),
      "job-type-conflict",
    );
    expect((await put(_name(), { ...mail, queue: type })).status).toBe(201);
    _expectProblem(await producer.request("/v1/job-types/no.such"), "job-type-not-found");
  });

  test("more than MAX_JOB_TYPES", async () => {
    const narrow = await _startProducer(stores, { MAX_JOB_TYPES: "1" });
    try {
      _expectProblem(await put(_name(), mail, { at: narrow }), "too-many-job-types");
    } finally {
      await narrow.close();
    }
  });
});

test("recursive data is validated at every level, and the documents contain the schema", async () => {
  const type = _name();
  const tree = {
    type: "object",
    properties: { name: { type: "string" }, children: { type: "array", items: { $ref: "#" } } },
    required: ["name"],
  };
  expect((await put(type, { data: tree })).body).toMatchObject({ data: tree });
  const data = { name: "a", children: [{ name: "b" }, { children: [] }] };
  const refused = _expectProblem(await producer.post({ type, data }), "invalid-job");
  expect(refused.errors).toMatchObject([{ pointer: "/data/children/1/name" }]);
  data.children.pop();
  expect((await producer.post({ type, data })).status).toBe(201);
  const document = await producer.request("/openapi.json");
  const { properties } = document.body.components.schemas[`JobData.${type}`];
  expect(properties.children.items).toEqual({ description: "Again the whole schema" });
});

test("the key of a job is derived from its data", async () => {
  const data = { type: "object" };
  const [byField, byTemplate] = [_name(), _name()];
  expect((await put(byField, { data, key: "/order/id" })).body).toMatchObject({ key: "/order/id" });
  await put(byTemplate, { data, key: "{/source}#{/order/id}", keyPolicy: { type: "replace" } });
  const post = async (type: string, sent: object, more: object = {}) => {
    const { body } = await producer.post({ type, data: sent, delayMs: 60_000, ...more });
    const { key } = (await producer.request(`/v1/jobs/${body.id}`)).body;
    return { ...body, key };
  };
  const order = { order: { id: 7 }, source: "shop" };
  const first = await post(byField, order);
  expect(first).toMatchObject({ key: "7", outcome: "created" });
  expect(await post(byField, order)).toMatchObject({ id: first.id, outcome: "duplicate" });
  expect((await post(byField, order, { key: "own" })).key).toBe("own");
  for (const none of [{}, { order: {} }, { order: { id: {} } }, { order: { id: "" } }]) {
    expect(await post(byField, none)).toMatchObject({ key: null, outcome: "created" });
  }
  const replaced = await post(byTemplate, order);
  expect(replaced.key).toBe("shop#7");
  expect(await post(byTemplate, order)).toMatchObject({ replaced: replaced.id });

  const long = await producer.post({ type: byField, data: { order: { id: "x".repeat(256) } } });
  expect(_expectProblem(long, "invalid-job").errors).toMatchObject([{ pointer: "/key" }]);
});

test("a pattern that would backtrack exponentially costs linear time", async () => {
  const type = _name();
  const data = { type: "string", pattern: "^(a+)+$" };
  expect((await put(type, { data })).status).toBe(201);
  const problem = _expectProblem(
    await producer.post({ type, data: `${"a".repeat(50_000)}b` }),
    "invalid-job",
  );
  expect(problem.errors).toMatchObject([{ pointer: "/data" }]);
});

test("a deleted type is refused by every producer soon, and the secrets of its ended jobs stay redacted", async () => {
  const type = _name();
  await put(type, { ...mail, secret: ["/token"] });
  const data = { to: "a@example.org", token: "s3cret" };
  const { body } = await other.post({ type, data });
  const { id } = body as { id: string };
  _expectProblem(await erase(type), "job-type-in-use");
  await producer.request(`/v1/jobs/${id}`, { method: "DELETE" });
  _expectProblem(await erase(type, { "If-Match": '"7"' }), "precondition-failed");
  expect((await erase(type)).body).toMatchObject({ type });
  _expectProblem(await erase(type), "job-type-not-found");
  _expectProblem(await producer.post({ type, data }), "job-type-not-found");
  const dryRun = () => other.request("/v1/jobs?dryRun=true", _json({ type, data }));
  await _until(async () => (await dryRun()).status === 404);
  expect((await other.request(`/v1/jobs/${id}`)).body).toMatchObject({
    data: { ...data, token: "[secret]" },
  });
  expect((await other.request(`/v1/jobs?type=${type}&status=cancelled`)).body).toMatchObject({
    items: [{ id }],
  });
  const deletion = { action: "delete", filter: { type }, dryRun: true };
  expect((await other.request("/v1/operations", _json(deletion))).status).toBe(200);
  expect((await put(type, mail)).status).toBe(201);
});

test("the list has the types of code and of the tenant, by name", async () => {
  const type = _name();
  await put(type, { ...mail, description: "Sends a mail" });
  const names: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const query: string = cursor && `&cursor=${cursor}`;
    const { body } = await producer.request(`/v1/job-types?limit=3${query}`);
    const page = body as { items: { type: string }[]; next: string | null };
    names.push(...page.items.map((item) => item.type));
    cursor = page.next;
  }
  expect(names).toEqual(names.toSorted());
  expect(names).toContain(type);
  const { body } = await producer.request("/v1/job-types/echo");
  expect(body).toMatchObject({
    type: "echo",
    source: "code",
    worker: "handler",
    queue: "default",
    data: { properties: { message: { type: "string" } }, required: ["message"] },
    version: 0,
  });
});

test("types belong to a tenant and are changed with types:admin only, which is audited", async () => {
  const own = await _openStores();
  const here = await _startProducer(own);
  try {
    const issue = async (...[scopes, options]: [Parameters<typeof _issue>[1], object]) =>
      _bearer((await _issue(own, scopes, options)).key);
    const all = ["types:admin", "jobs:write", "jobs:read"] as const;
    const [red, blue] = [
      await issue([...all], { tenant: "red" }),
      await issue([...all], { tenant: "blue" }),
    ];
    const type = "mail.send";
    const register = (headers: Record<string, string>, registration: object) =>
      put(type, registration, { at: here, headers });
    expect((await register(red, mail)).body).toMatchObject({ queue: "red.mail.send" });
    expect((await register(blue, { data: { type: "integer" } })).status).toBe(201);
    _expectProblem(await register(blue, { data: {}, queue: "red.mail.send" }), "job-type-conflict");
    const data = { to: "a@example.org" };
    expect((await here.post({ type, data }, red)).status).toBe(201);
    expect((await here.post({ type, data }, blue)).status).toBe(422);
    expect((await here.post({ type, data: 7 }, blue)).status).toBe(201);
    const writer = await issue(["jobs:write", "jobs:read"], {});
    _expectProblem(await here.post({ type, data }, writer), "job-type-not-found");
    _expectProblem(await register(writer, mail), "insufficient-scope");
    const narrow = await issue([...all], { types: ["echo"] });
    _expectProblem(await register(narrow, mail), "forbidden-resource");
    const list = await here.request("/v1/job-types", { headers: narrow });
    expect(list.body).toMatchObject({ items: [{ type: "echo" }] });
    // The queue that a type left still has its pending jobs.
    const moved = { at: here, headers: red, query: "?force=true" };
    expect((await put(type, { ...mail, queue: "red.new" }, moved)).status).toBe(200);
    const claim = () =>
      put("mail.copy", { data: {}, queue: "red.mail.send" }, { at: here, headers: blue });
    _expectProblem(await claim(), "job-type-conflict");
    await own.sql`update jobs set status = 'cancelled' where tenant = 'red'`;
    expect((await claim()).status).toBe(201);
    const entries = await own.sql<{ outcome: string }[]>`
      select outcome from audit_log where action = 'putJobType' order by seq`;
    expect(entries.map(({ outcome }) => outcome)).toEqual([
      "done",
      "done",
      "job-type-conflict",
      "forbidden-resource",
      "done",
      "job-type-conflict",
      "done",
    ]);
  } finally {
    await here.close();
    await own.close();
  }
});

test("a key that is restricted to a type cannot add the type to a queue with other types", async () => {
  const own = await _openStores();
  const here = await _startProducer(own);
  try {
    const { key } = await _issue(own, ["types:admin"], { types: ["own.type"] });
    const admin = await _issue(own, ["types:admin"]);
    const register = (type: string, queue: string, secret: string) =>
      put(type, { data: {}, queue }, { at: here, headers: _bearer(secret) });
    expect((await register("other.type", "shared", admin.key)).status).toBe(201);
    _expectProblem(await register("own.type", "shared", key), "forbidden-resource");
    expect((await register("own.type", "own", key)).status).toBe(201);
    expect((await register("own.type", "own", key)).status).toBe(200);
  } finally {
    await here.close();
    await own.close();
  }
});

test("registered types survive a restart and FLUSHALL, and an unknown type is 503 without Postgres", async () => {
  const type = _name();
  await put(type, mail);
  await stores.clear();
  const restarted = await _startProducer(stores);
  try {
    const { status } = await restarted.post({ type, data: { to: "a@example.org" } });
    expect(status).toBe(201);
    await stores.sql`alter table job_types rename to job_types_gone`;
    _expectProblem(await restarted.post({ type: "no.such", data: 1 }), "at-capacity");
    expect((await restarted.post({ type, data: { to: "a@example.org" } })).status).toBe(201);
  } finally {
    await stores.sql`alter table job_types_gone rename to job_types`;
    await restarted.close();
  }
});

import { afterEach, expect, test } from "bun:test";
import type { ProblemKind } from "@toril/contract/api/problem";
import { _echo, _expectProblem, _json, _nothing, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(async () => {
  expect(await stores.count()).toEqual(_nothing);
});

const importId = "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";
const deep = "[".repeat(100_000) + "]".repeat(100_000);
const invalidUtf8 = Buffer.concat([
  Buffer.from('{"type":"echo","data":{"message":"'),
  Buffer.of(0xc3, 0x28),
  Buffer.from('"}}'),
]);

type BadBody = [name: string, body: unknown, kind: ProblemKind, pointer?: string];
const badBodies = (
  [
    ["an empty body", "", "empty-body"],
    ["no JSON", "{", "invalid-json"],
    ["two documents", "{}{}", "invalid-json"],
    ["a comment", `/**/${JSON.stringify(_echo())}`, "invalid-json"],
    ["invalid UTF-8", invalidUtf8, "invalid-json"],
    ["a NUL byte", '{"type":"echo","data":{"message":"\0"}}', "invalid-json"],
    ["an unclosed tower", "[".repeat(1_000_000), "invalid-json"],
    ["a NUL character", _echo("a\0"), "unstorable-json", "/data/message"],
    [
      "a high surrogate alone",
      '{"type":"echo","data":{"message":"\\ud800"}}',
      "unstorable-json",
      "/data/message",
    ],
    [
      "a low surrogate alone, in a key",
      '{"type":"echo","key":"\\udc00"}',
      "unstorable-json",
      "/key",
    ],
    ["a NUL in the name of a field", '{"a\\u0000":1}', "unstorable-json", ""],
    [
      "__proto__ at the top",
      '{"type":"echo","__proto__":{},"data":{"message":"a"}}',
      "unstorable-json",
      "/__proto__",
    ],
    [
      "__proto__ as a column",
      `{"type":"row.import","data":{"importId":"${importId}","row":1,"values":{"__proto__":"a"}}}`,
      "unstorable-json",
      "/data/values/__proto__",
    ],
    [
      "an integer beyond 2^53",
      '{"type":"echo","delayMs":9007199254740993}',
      "unstorable-json",
      "/delayMs",
    ],
    ["1e400", '{"type":"echo","delayMs":1e400}', "unstorable-json", "/delayMs"],
    ["100,000 levels of arrays", `{"type":"echo","data":${deep}}`, "unstorable-json"],
    [
      "100,000 levels of objects",
      `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
      "unstorable-json",
    ],
    ["null", "null", "invalid-job", ""],
    ["an array", "[]", "invalid-job", ""],
    ["a number", "5", "invalid-job", ""],
    ["no type", { data: { message: "a" } }, "invalid-job", "/type"],
    ["a type that is a number", { type: 5, data: {} }, "invalid-job", "/type"],
    ["an unknown type", { type: "nope", data: {} }, "job-type-not-found", "/type"],
    [
      "a type of Object.prototype",
      { type: "constructor", data: {} },
      "job-type-not-found",
      "/type",
    ],
    ["no data", { type: "echo" }, "invalid-job", "/data"],
    ["a wrong field", { type: "echo", data: { message: 5 } }, "invalid-job", "/data/message"],
    ["an unknown option", _echo("a", { prio: 1 }), "invalid-job", "/prio"],
    [
      "an unknown field",
      { type: "echo", data: { message: "a", "a/b~c": 1 } },
      "invalid-job",
      "/data/a~1b~0c",
    ],
    ["an empty key", _echo("a", { key: "" }), "invalid-job", "/key"],
    ["a key of 256 characters", _echo("a", { key: "k".repeat(256) }), "invalid-job", "/key"],
    ["a negative delay", _echo("a", { delayMs: -1 }), "invalid-job", "/delayMs"],
    ["a fraction of a millisecond", _echo("a", { delayMs: 0.5 }), "invalid-job", "/delayMs"],
    [
      "a delay beyond 365 days",
      _echo("a", { delayMs: 365 * 86_400_000 + 1 }),
      "invalid-job",
      "/delayMs",
    ],
    ["no attempts", _echo("a", { attempts: 0 }), "invalid-job", "/attempts"],
    ["101 attempts", _echo("a", { attempts: 101 }), "invalid-job", "/attempts"],
    ["data over 1 MB", _echo("x".repeat(1_000_000)), "data-too-large"],
    ["data over 1 MB of UTF-8", _echo("字".repeat(333_333)), "data-too-large"],
    ["a body over 2 MB", _echo("x".repeat(2_000_000)), "body-too-large"],
  ] satisfies BadBody[]
).map(([name, body, kind, pointer]) => ({ name, body, kind, pointer }));

test.each(badBodies)("a job is refused: $name", async ({ body, kind, pointer }) => {
  const problem = _expectProblem(await producer.post(body), kind);
  if (pointer !== undefined)
    expect(problem.errors?.map((error) => error.pointer)).toContain(pointer);
});

test.each(badBodies.filter(({ kind }) => kind === "invalid-json" || kind === "empty-body"))(
  "a bulk is refused: $name",
  async ({ body, kind }) => {
    _expectProblem(await producer.bulk(body), kind);
    _expectProblem(await producer.bulk(body, "?atomicity=partial"), kind);
  },
);

test.each(badBodies.filter(({ kind }) => /job|type|data|unstorable/.test(kind)))(
  "a bulk reports the invalid entry: $name",
  async ({ body, kind, pointer }) => {
    const entry = typeof body === "string" ? body : JSON.stringify(body);
    const answer = await producer.bulk(`[${JSON.stringify(_echo())},${entry}]`);
    _expectProblem(answer, "invalid-bulk");
    expect(answer.body.counts).toEqual({ created: 0, duplicate: 0, rejected: 1 });
    const [{ index, problem }] = answer.body.results;
    expect([index, problem.type]).toEqual([1, `urn:toril:problem:${kind}`]);
    if (pointer !== undefined) {
      expect(problem.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
    }
  },
);

test("the list of invalid fields is bounded", async () => {
  const data = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`f${n}`, n]));
  const problem = _expectProblem(await producer.post({ type: "echo", data }), "invalid-job");
  expect(problem.errors?.length).toBeLessThan(100);
});

test.each(["text/plain", "application/jsonp", "application/x-ndjson", "multipart/form-data"])(
  "a job as %s is refused",
  async (contentType) => {
    const answer = await producer.post(_echo(), { "Content-Type": contentType });
    _expectProblem(answer, "unsupported-media-type");
  },
);

test.each(["/v1/jobs", "/v1/jobs/bulk", "/v1/imports?type=echo"])(
  "a body without a media type is refused by %s",
  async (path) => {
    const body = Buffer.from(JSON.stringify(_echo()));
    const answer = await producer.request(path, { method: "POST", body });
    _expectProblem(answer, "unsupported-media-type");
  },
);

test.each([
  ["empty", ""],
  ["blank", "  "],
  ["longer than 255 characters", "k".repeat(256)],
])("an Idempotency-Key that is %s is refused", async (_, key) => {
  const headers = { "Idempotency-Key": key };
  for (const answer of [
    await producer.post(_echo(), headers),
    await producer.bulk([_echo()], "", headers),
  ]) {
    const problem = _expectProblem(answer, "invalid-parameter");
    expect(problem.errors?.[0]?.pointer).toBe("/idempotency-key");
  }
});

test.each([
  ["/v1/jobs?limit=0", "/limit"],
  ["/v1/jobs?limit=501", "/limit"],
  ["/v1/jobs?limit=", "/limit"],
  ["/v1/jobs?limit=1.5", "/limit"],
  ["/v1/jobs?limit=1e2", "/limit"],
  ["/v1/jobs?limit=0x10", "/limit"],
  ["/v1/jobs?limit=%205%20", "/limit"],
  ["/v1/jobs?limit=05", "/limit"],
  ["/v1/jobs?limit=%2B5", "/limit"],
  ["/v1/jobs?limit=1&limit=2", "/limit"],
  ["/v1/jobs?cursor=", "/cursor"],
  ["/v1/jobs?cursor=%00", "/cursor"],
  ["/v1/jobs?cursor=bm8gaWQ", "/cursor"],
  ["/v1/jobs?key=%00", "/key"],
  ["/v1/jobs?data.source=%00", "/data.source"],
  ["/v1/jobs?status=waiting", "/status"],
  ["/v1/jobs?type=nope", "/type"],
  ["/v1/jobs?importId=1", "/importId"],
  ["/v1/jobs?page=2", "/page"],
  ["/v1/jobs?__proto__=1", "/__proto__"],
  ["/v1/jobs/1", "/id"],
  ["/v1/jobs/%00", "/id"],
  ["/v1/jobs/%zz", "/id"],
  [`/v1/jobs/${importId}%20`, "/id"],
  ["/v1/imports/1", "/id"],
  ["/v1/dead-letters?queue=%00", "/queue"],
  ["/v1/dead-letters?reason=a%00b", "/reason"],
])("GET %s is refused", async (path, pointer) => {
  const problem = _expectProblem(await producer.request(path), "invalid-parameter");
  expect(problem.errors?.map((error) => error.pointer)).toEqual([pointer]);
});

test.each([
  ["PUT", `/v1/imports/${importId}/parts/1e0`, "/number"],
  ["POST", "/v1/imports?type=echo&maxErrors=", "/maxErrors"],
  ["POST", "/v1/imports?type=echo&maxErrors=1000000001", "/maxErrors"],
  ["POST", "/v1/schedules/preview?count=2e0", "/count"],
])(
  "%s %s is refused: the number is not in decimal digits, or too large",
  async (method, path, pointer) => {
    const headers = {
      "Content-Type": path.includes("schedules") ? "application/json" : "text/csv",
    };
    const answer = await producer.request(path, { method, headers, body: "message\na\n" });
    const [error] = _expectProblem(answer, "invalid-parameter").errors ?? [];
    expect(error).toMatchObject({ pointer, detail: expect.stringContaining("in decimal digits") });
  },
);

test("a bulk is refused at the first excessively deep megabyte, not after its last byte", async () => {
  const answer = await producer.bulk(`${"[".repeat(2_000_000)}${"]".repeat(2_000_000)}`);
  expect(_expectProblem(answer, "invalid-json").detail).toContain("10000 levels");
});

test("a bulk refuses unknown query parameters", async () => {
  const problem = _expectProblem(
    await producer.bulk([_echo()], "?atomicty=partial"),
    "invalid-parameter",
  );
  expect(problem.errors?.[0]?.pointer).toBe("/atomicty");
});

test("unknown ids and paths are not found", async () => {
  _expectProblem(await producer.request(`/v1/jobs/${importId}`), "job-not-found");
  _expectProblem(await producer.request(`/v1/imports/${importId}`), "import-not-found");
  for (const path of ["/v1", "/v1/jobs/", `/v1/jobs/${importId}/x`, "/v2/jobs", "/v1/../x"]) {
    _expectProblem(await producer.request(path), "not-found");
  }
});

test.each([
  ["PUT", "/v1/jobs", "POST, GET, HEAD"],
  ["PUT", `/v1/jobs/${importId}`, "GET, HEAD, DELETE, PATCH"],
  ["PATCH", "/v1/jobs/bulk", "POST"],
  ["GET", "/v1/jobs/bulk", "POST"],
  ["GET", "/v1/dead-letters/redrive", "POST"],
  ["DELETE", "/v1/dead-letters/summary", "GET, HEAD"],
  ["PUT", "/v1/schedules/preview", "POST"],
  ["PUT", "/v1/imports", "POST, GET, HEAD"],
  ["OPTIONS", "/v1/jobs", "POST, GET, HEAD"],
  ["POST", "/livez", "GET, HEAD"],
])("%s %s is not allowed, and Allow lists the allowed methods", async (method, path, allow) => {
  const answer = await producer.request(path, { method });
  _expectProblem(answer, "method-not-allowed");
  expect(answer.headers.get("allow")).toBe(allow);
});

test("a path parameter that equals its own name is a value like any other", async () => {
  const init = { method: "POST", headers: { "Idempotency-Key": "literal" } };
  _expectProblem(await producer.request("/v1/jobs/:id/retry", init), "invalid-parameter");
});

test("HEAD returns the headers of GET without a body", async () => {
  for (const path of ["/v1/jobs", "/livez"]) {
    const answer = await producer.request(path, { method: "HEAD" });
    expect([answer.status, answer.text]).toEqual([200, ""]);
  }
});

test("problems contain the request id and no internals", async () => {
  const answer = await producer.request("/v1/jobs", _json("{", { "X-Request-Id": "order-1042" }));
  expect(_expectProblem(answer, "invalid-json")).toEqual({
    type: "urn:toril:problem:invalid-json",
    title: "The body is not valid JSON",
    status: 400,
    detail: "The text is not valid JSON.",
    instance: "/v1/jobs",
    requestId: "order-1042",
  });
});

test.each(["a b", "a\tb", "x".repeat(129), "<script>", 'a"b', "ä"])(
  "an X-Request-Id like %p is replaced",
  async (id) => {
    const answer = await producer.request("/livez", { headers: { "X-Request-Id": id } });
    expect(answer.headers.get("x-request-id")).toMatch(/^[\w-]+$/);
    expect(answer.headers.get("x-request-id")).not.toBe(id);
  },
);

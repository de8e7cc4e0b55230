import { afterEach, expect, test } from "bun:test";
import { problemType } from "@toril/contract/api/problem";
import { _noteProblem } from "../../contract/test/_problems.ts";
import { _checked, _echo, _expectProblem, _nothing, _openProducer, _until } from "./_producer.ts";
import { _chunk, _connect, type _Connection, _head } from "./_raw.ts";

const { stores, producer } = await _openProducer();
let connection: _Connection;
afterEach(() => connection.destroy());

const json = "Content-Type: application/json";

async function say(...texts: (string | Uint8Array)[]) {
  connection = await _connect(producer.url);
  for (const text of texts) await connection.write(text);
}

/** Sends until the connection closes and returns the number of characters sent. */
async function sendWithoutEnd(text: string): Promise<number> {
  let sent = 0;
  while (!connection.isClosed) {
    await connection.write(text);
    sent += text.length;
    if (sent > 100_000_000) throw new Error("it reads on");
  }
  return sent;
}

test.each([
  ["is nested absurdly", "[{}," + "[".repeat(1_100_000)],
  ["is no array", " {" + " ".repeat(1_100_000)],
])("a large bulk request whose beginning %s is refused before its end", async (_, beginning) => {
  const head = _head("POST /v1/jobs/bulk", json, "Content-Length: 3000000");
  await say(head, beginning);
  _expectProblem(
    await _checked(await connection.answer(), "POST", "/v1/jobs/bulk"),
    "invalid-json",
  );
  await say(_head("POST /v1/jobs/bulk", json, "Transfer-Encoding: chunked"), _chunk(beginning));
  _expectProblem(
    await _checked(await connection.answer(), "POST", "/v1/jobs/bulk"),
    "invalid-json",
  );
});

/** Sends a body without end until a response arrives. A client that still sends when the connection closes may lose it. */
async function answerTo(head: string, text: string): Promise<Response> {
  for (let tries = 0; tries < 5; tries += 1) {
    await say(head);
    const sending = sendWithoutEnd(text);
    const received = await connection.answer().catch((error: Error) => {
      if (error.message !== 'closed after ""') throw error;
      return undefined;
    });
    await sending;
    if (received !== undefined) return received;
  }
  throw new Error("no response arrived");
}

test.each([
  ["/v1/jobs", json, "Content-Length: 999999999"],
  ["/v1/jobs", json, "Transfer-Encoding: chunked"],
  ["/v1/jobs/bulk", json, "Content-Length: 999999999"],
  ["/v1/jobs/bulk", "Content-Type: application/x-ndjson", "Transfer-Encoding: chunked"],
  [
    "/v1/imports?type=feed.item&source=s",
    "Content-Type: application/rss+xml",
    "Transfer-Encoding: chunked",
  ],
])("an endless body for %s (%s, %s) is refused with 413", async (path, type, framing) => {
  const text = "x".repeat(65_536);
  const head = _head(`POST ${path}`, type, framing);
  const received = await answerTo(head, framing.includes("chunked") ? _chunk(text) : text);
  const answer = await _checked(received, "POST", path);
  _expectProblem(answer, "body-too-large");
  expect(await stores.count()).toEqual(_nothing);
});

test.each([
  ["POST /v1/jobs", "Content-Type: text/plain", "unsupported-media-type"],
  ["POST /v1/imports?type=nope", "Content-Type: text/csv", "invalid-parameter"],
  ["PUT /v1/jobs", json, "method-not-allowed"],
  ["POST /missing", json, "not-found"],
] as const)("an endless body for %s (%s) is not read further", async (line, type, kind) => {
  const head = _head(line, type, "Transfer-Encoding: chunked");
  const received = await answerTo(head, _chunk("x".repeat(65_536)));
  const [method = "", path = ""] = line.split(" ");
  _expectProblem(await _checked(received, method, path), kind);
});

test("a body slightly over the limit keeps the connection open", async () => {
  const body = JSON.stringify(_echo("x".repeat(2_000_000)));
  await say(_head("POST /v1/jobs", json, `Content-Length: ${body.length}`), body);
  const answer = await _checked(await connection.answer(), "POST", "/v1/jobs");
  _expectProblem(answer, "body-too-large");
  expect(answer.headers.get("connection")).toBeNull();
});

test.each(["Content-Length: 100", "Transfer-Encoding: chunked"])(
  "a client that disconnects in the middle of a job (%s) stores nothing and logs no error",
  async (framing) => {
    const before = producer.lines.length;
    const text = '{"type":"echo"';
    await say(_head("POST /v1/jobs", json, framing));
    await connection.write(framing.includes("chunked") ? _chunk(text) : text);
    connection.destroy();
    const answered = () => producer.lines.slice(before).find((line) => line["path"] === "/v1/jobs");
    await _until(() => answered() !== undefined);
    expect(answered()).toMatchObject({ status: 400, level: 20 });
    const { text: metrics } = await producer.request("/metrics");
    expect(metrics).toMatch(/^toril_problems_total\{kind="incomplete-body"\} [1-9]/m);
    _noteProblem(problemType("incomplete-body"));
    expect(await stores.count()).toEqual(_nothing);
  },
);

test("a chunked body with a trailer, which Bun refuses with 400, stores no job", async () => {
  const head = _head("POST /v1/jobs", json, "Transfer-Encoding: chunked");
  for (const trailer of ["X-Checksum: abc\r\n", ""]) {
    await say(`${head}${_chunk(JSON.stringify(_echo()))}0\r\n${trailer}\r\n`);
    const { status } = await connection.answer();
    const { jobs } = await stores.count();
    expect([status, jobs]).toEqual(trailer === "" ? [201, 1] : [400, 0]);
    connection.destroy();
  }
  await stores.clear();
});

test.each(["HTTP/1.0\r\n\r\n", "HTTP/1.0\r\nHost:\r\n\r\n", "HTTP/1.1\r\nHost: a b/c?d#e\r\n\r\n"])(
  "health checks without a valid Host get a response: %p",
  async (rest) => {
    for (const path of ["/livez", "/readyz"]) {
      await say(`GET ${path} ${rest}`);
      const answer = await _checked(await connection.answer(), "GET", path);
      expect([answer.status, answer.body.status]).toEqual([200, "ok"]);
      connection.destroy();
    }
  },
);

test("a job without a valid Host is accepted, with its Idempotency-Key", async () => {
  const body = JSON.stringify(_echo());
  const headers = [json, "Idempotency-Key: hostless", `Content-Length: ${body.length}`];
  const text = ["POST /v1/jobs HTTP/1.0", ...headers, "", body].join("\r\n");
  await say(text);
  const first = await _checked(await connection.answer(), "POST", "/v1/jobs");
  expect(first.status).toBe(201);
  connection.destroy();
  await say(text);
  const second = await _checked(await connection.answer(), "POST", "/v1/jobs");
  expect(second.text).toBe(first.text);
  await stores.clear();
});

test.each([
  "X-Request-Id: z\rSet-Cookie: b",
  "X-Request-Id: z\nSet-Cookie: b",
  "X-Request-Id: z\0b",
  "X-Request-Id: z%0d%0aSet-Cookie: b",
])("no response header can be injected by %p", async (header) => {
  await say(_head("GET /livez", header));
  const answer = await connection.answer();
  expect(answer.headers.get("set-cookie")).toBeNull();
  expect(answer.headers.get("x-request-id") ?? "").not.toStartWith("z");
});

test.each([
  ["two lengths", ["Content-Length: 2", "Content-Length: 3"]],
  ["two framings", ["Content-Length: 2", "Transfer-Encoding: chunked"]],
  ["a negative length", ["Content-Length: -2"]],
  ["a list of lengths", ["Content-Length: 2, 2"]],
  ["20,000 bytes of headers", [`X-Filler: ${"x".repeat(20_000)}`]],
])("a request with %s is refused and its connection closed", async (_, headers) => {
  await say(_head("POST /v1/jobs", json, ...headers), "{}");
  const answer = await connection.answer();
  expect([400, 431]).toContain(answer.status);
  await connection.closed;
  expect(await stores.count()).toEqual(_nothing);
});

test("a URL of 20,000 bytes is refused", async () => {
  await say(_head(`GET /v1/jobs?cursor=${"x".repeat(20_000)}`));
  expect((await connection.answer()).status).toBe(431);
});

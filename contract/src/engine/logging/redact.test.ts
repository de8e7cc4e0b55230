import { expect, test } from "bun:test";
import { redact } from "./redact.ts";

const secret = "hunter2-hunter2";

/** Formats a line as pino does. */
function _line(fields: object) {
  return `${JSON.stringify({ level: "info", ...fields })}\n`;
}

test.each<[string, object]>([
  ["the password of a URL", { msg: `connect redis://:${secret}@redis:6379/0 failed` }],
  ["a user's too", { url: `postgres://toril:${secret}@db/toril?sslmode=require` }],
  ["a password with an at sign", { url: `postgres://toril:a@${secret}@db/toril` }],
  ["a key in a URL", { url: `https://${secret}@feeds.example/a.xml` }],
  ["with extra slashes", { url: `http:///user:${secret}@feeds.example/` }],
  ["without slashes", { url: `https:user:${secret}@feeds.example/` }],
  ["with backslashes", { url: `http:\\\\user:${secret}@feeds.example/` }],
  ["in a stack", { err: { stack: `Error: x\n    at redis://:${secret}@redis:6379` } }],
  ["an Authorization header", { headers: { authorization: `Bearer ${secret}` } }],
  ["in capitals", { headers: { "Proxy-Authorization": secret } }],
  ["in a text", { msg: `sent Authorization: Bearer ${secret}` }],
  ["Basic", { msg: `sent Basic ${btoa(secret)}` }],
  ["cookies", { headers: { "set-cookie": [`a=${secret}; HttpOnly`, `b=${secret}`] } }],
  ["an API key", { headers: { "x-api-key": secret } }],
  [
    "by other names",
    { apiKey: secret, dbPassword: secret, client_secret: secret, idToken: secret },
  ],
  ["a key of Toril's own", { msg: `who has toril_${secret}${secret}?` }],
  ["an object", { credentials: { user: "a", pass: secret } }],
  ["with quotes in it", { password: `"${secret}\\"${secret}` }],
  ["in JSON in a text", { body: JSON.stringify({ password: secret, user: "a" }) }],
])("a secret is removed from a line: %s", (_, fields) => {
  const line = redact(_line(fields));
  expect(line).not.toContain(secret);
  expect(line).not.toContain(btoa(secret));
  expect(line).toContain("***");
  expect(JSON.parse(line).level).toBe("info");
});

test.each<object>([
  {
    msg: "request completed",
    path: "/v1/jobs",
    requestId: "a-1",
    jobId: "019c",
    status: 201,
    ms: 1.5,
  },
  { url: "http://127.0.0.1:3000/", queues: ["default"], mail: "who@example.org" },
  { key: "order-7", tokens: 5, msg: 'unexpected token } at "secret" of a body' },
  { err: { message: "basic auth is needed", stack: "Error: no\n    at file:///app/main.ts:1:2" } },
])("other text is not redacted: %j", (fields) => {
  expect(redact(_line(fields))).toBe(_line(fields));
});

test("long texts that could slow down a pattern are redacted quickly", () => {
  for (const text of [
    "://a".repeat(50_000),
    "http:/".repeat(40_000),
    '\\"'.repeat(50_000),
    "bearer ".repeat(30_000),
  ]) {
    expect(JSON.parse(redact(_line({ msg: text })))).toMatchObject({ level: "info" });
  }
});

import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createClient } from "@toril/client";

import { startStack, type Stack } from "./_stack.ts";
import { toril } from "./_toril.ts";

let stack: Stack;
let env: Record<string, string>;

beforeAll(async () => {
  // With a consumer, whose reconciler holds an advisory lock of its own.
  stack = await startStack();
  env = { DATABASE_URL: stack.env()["DATABASE_URL"]! };
});
afterAll(() => stack[Symbol.asyncDispose]());

test("changes by commands and by HTTP are listed and verified, and an alteration is detected", async () => {
  const empty = await toril("audit list --ledger", env);
  expect(empty).toMatchObject({
    code: 0,
    output: "",
    errors: expect.stringContaining("no audit entries"),
  });

  const made = await toril("keys create --name admin --scopes keys:admin --tenant acme", {
    ...env,
    USER: "mallory",
  });
  expect(made.code).toBe(0);
  expect(made.errors).toContain("first key");
  const client = createClient({ baseUrl: stack.producers[0]!.url, apiKey: made.lastLine });
  const issued = await client.createKey({ name: "shop", scopes: ["jobs:read"] });
  expect((await toril(`keys rotate ${issued.id} --grace 1h --ledger`, env)).code).toBe(0);
  expect((await toril(`keys revoke ${issued.id} --ledger`, env)).code).toBe(0);
  expect((await toril(`keys revoke ${issued.id} --ledger`, env)).code).toBe(0);
  expect((await toril("keys revoke nothing --ledger", env)).code).toBe(1);

  const { code, output } = await toril("audit list --ledger", env);
  expect(code).toBe(0);
  const [head, ...rows] = output
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  expect(head).toEqual([
    "seq",
    "at",
    "actor",
    "tenant",
    "action",
    "target",
    "address",
    "request",
    "outcome",
  ]);
  const adminId = made.lastLine.split("_")[1]!;
  const [cli, issuedAt] = [
    `cli:${execFileSync("id", ["-un"], { encoding: "utf8" }).trim()}`,
    `/v1/keys/${issued.id}`,
  ];
  expect(rows.map(([seq, , ...cells]) => [seq, ...cells])).toEqual([
    ["4", cli, "acme", "revokeKey", issuedAt, "-", "-", "done"],
    ["3", cli, "acme", "rotateKey", issuedAt, "-", "-", "done"],
    ["2", `key:${adminId}`, "acme", "createKey", issuedAt, "127.0.0.1", expect.any(String), "done"],
    ["1", cli, "acme", "createKey", `/v1/keys/${adminId}`, "-", "-", "done"],
  ] as never);
  expect(
    (await toril("audit list --ledger --limit 1", env)).output.trimEnd().split("\n"),
  ).toHaveLength(2);

  const service = { TORIL_URL: stack.producers[0]!.url, TORIL_KEY: made.lastLine };
  const own = await toril(`audit list --json --actor key:${adminId} --target /v1/keys`, service);
  expect(JSON.parse(own.output).items).toMatchObject([{ seq: 2, action: "createKey" }]);
  expect((await toril("audit list --ledger --actor a", env)).code).toBe(2);

  const verified = await toril("audit verify", env);
  expect(verified.code).toBe(0);
  expect(verified.lastLine).toMatch(/^4:[0-9a-f]{64}$/);
  const again = await toril(`audit verify --head ${verified.lastLine}`, env);
  expect(again).toMatchObject({ code: 0, lastLine: verified.lastLine });

  await stack.sql.begin(async (tx) => {
    await tx`alter table audit_log disable trigger all`;
    await tx`update audit_log set actor = 'cli:forged' where seq = 3`;
    await tx`alter table audit_log enable trigger all`;
  });
  const broken = await toril("audit verify", env);
  expect(broken).toMatchObject({ code: 1, output: "" });
  expect(broken.errors).toMatch(/entry 3/i);
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient, type IssuedApiKey, TorilError } from "@toril/client";

import { _runCommand } from "../cli/_run-command.ts";
import { createLedgerAccess } from "../cli/ledger.ts";
import { echo } from "./_api.ts";
import { startStack, type Stack } from "./_stack.ts";
import { toril, torilSources } from "./_toril.ts";

const missing = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/nothing" };

test("toril exits with 0 after the help, with 2 for invalid arguments, and with 1 if the ledger is unavailable", async () => {
  expect(await toril("help", missing, torilSources)).toMatchObject({
    code: 0,
    errors: expect.any(String),
  });
  const invalid = await toril("keys create", missing);
  expect(invalid).toMatchObject({ code: 2, output: "" });
  expect(invalid.errors).toContain("--name");
  const unavailable = await toril("keys list --ledger", missing);
  expect(unavailable.code).toBe(1);
  expect(unavailable.errors).toMatch(/^toril: .*ECONNREFUSED.*$/m);
});

describe("with a ledger", () => {
  let stack: Stack;
  let env: Record<string, string>;

  beforeAll(async () => {
    stack = await startStack();
    env = { DATABASE_URL: stack.env()["DATABASE_URL"]! };
  });
  afterAll(() => stack[Symbol.asyncDispose]());

  const statusWith = async (apiKey: string) => {
    try {
      await createClient({ baseUrl: stack.producers[0]!.url, apiKey }).listJobs();
      return 200;
    } catch (error) {
      return error instanceof TorilError ? error.problem.status : 0;
    }
  };

  test("keys are created, listed, changed, rotated and revoked through the service, without the ledger", async () => {
    const { url } = stack.producers[0]!;
    // A use of the ledger is an error here.
    const run = (args: string, key?: string) =>
      _runCommand(args, {
        env: { HOME: "/nonexistent", TORIL_URL: url, ...(key && { TORIL_KEY: key }) },
      });
    const create = "keys create --name admin --scopes keys:admin";
    const admin = await run(create);
    expect(admin.code).toBe(0);
    expect(admin.errors).toContain("first key");
    expect((await run(create)).code).toBe(5);

    const shop = "keys create --name shop --scopes jobs:read --types echo --rate 5 --burst 9";
    const created = await run(`${shop} --expires 30d`, admin.output);
    expect(created.errors).not.toContain("first key");
    expect(await statusWith(created.output)).toBe(200);
    const [, id = ""] = created.output.split("_");
    const { output } = await run("keys list", admin.output);
    expect(output).toMatch(
      new RegExp(`^${id}  shop +default  jobs:read +echo; 5 jobs/s, 9 at once  until `, "m"),
    );
    expect(output).not.toContain(created.output);

    const patch = `keys patch ${id} --name web --types unlimited --burst unlimited --expires unlimited`;
    expect((await run(`${patch} --json`, admin.output)).json).toMatchObject({
      name: "web",
      scopes: ["jobs:read"],
      types: null,
      quotas: { rate: 5 },
      expiresAt: null,
    });
    const rotated = await run(`keys rotate ${id} --grace 1h --json`, admin.output);
    const { key } = rotated.json as IssuedApiKey;
    expect(await Promise.all([key, created.output].map(statusWith))).toEqual([200, 200]);

    const refused = await run(`keys create --name a --scopes jobs:read --types none`, admin.output);
    expect([refused.code, refused.output]).toEqual([2, ""]);
    expect(refused.errors).toContain("/types/0");
    expect((await run("keys list", key)).code).toBe(5);
    expect((await run("keys rotate 0mibwkq0705f60718", admin.output)).code).toBe(3);

    expect((await run(`keys revoke ${id}`, admin.output)).code).toBe(0);
    expect((await run(`keys rotate ${id}`, admin.output)).code).toBe(4);
    await stack.until("the key is refused", async () =>
      (await statusWith(key)) === 401 ? true : undefined,
    );
  });

  test("after the first key, the ledger is used only with --ledger", async () => {
    const directory = mkdtempSync(join(tmpdir(), "toril-keys-"));
    try {
      // As `npm start` writes it.
      mkdirSync(join(directory, ".toril"));
      const port = new URL(stack.producers[0]!.url).port;
      const file = `DATABASE_URL='${env["DATABASE_URL"]}'\nPORT='${port}'\n`;
      writeFileSync(join(directory, ".toril/env"), file);
      const commandEnv = { HOME: directory };
      const withLedger = createLedgerAccess(commandEnv, directory);
      const run = (args: string) => _runCommand(args, { env: commandEnv, directory, withLedger });
      const create = "keys create --name second --scopes jobs:read";
      expect(await run(create)).toMatchObject({ code: 5, output: "" });
      expect((await run(`${create} --ledger`)).code).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("with --ledger, a key is created, accepted at once, rotated, listed and revoked", async () => {
    const created = await toril(
      "keys create --name shop --scopes jobs:read,jobs:write --expires 30d --ledger",
      env,
    );
    expect(created).toMatchObject({ code: 0, output: `${created.lastLine}\n` });
    expect(await statusWith(created.lastLine)).toBe(200);
    const [, id = ""] = created.lastLine.split("_");

    const rotated = await toril(`keys rotate ${id} --grace 1h --ledger`, env);
    expect([await statusWith(rotated.lastLine), await statusWith(created.lastLine)]).toEqual([
      200, 200,
    ]);

    const other = await toril(
      "keys create --name feed --scopes jobs:write --tenant acme --types echo --ledger",
      env,
    );
    expect(await statusWith(other.lastLine)).toBe(403);
    const { output } = await toril("keys list --ledger", env);
    expect(output).toMatch(new RegExp(`^${id}  shop +default .* until `, "m"));
    expect(output).toMatch(/ feed +acme .* echo /);
    expect(output).not.toContain(created.lastLine);
    expect((await toril("keys list --tenant acme --ledger", env)).output).not.toContain("shop");

    const patch = `keys patch ${id} --scopes jobs:write --types echo --rate 5 --expires unlimited --ledger`;
    const patched = await toril(`${patch} --json`, env);
    expect(JSON.parse(patched.output)).toMatchObject({
      scopes: ["jobs:write"],
      types: ["echo"],
      quotas: { rate: 5 },
      expiresAt: null,
    });
    await stack.until("the scopes apply", async () =>
      (await statusWith(rotated.lastLine)) === 403 ? true : undefined,
    );
    const restored = await toril(
      `keys patch ${id} --scopes jobs:read --types unlimited --rate unlimited --ledger --json`,
      env,
    );
    expect(JSON.parse(restored.output)).toMatchObject({ types: null, quotas: null });
    await stack.until("the scopes apply", async () =>
      (await statusWith(rotated.lastLine)) === 200 ? true : undefined,
    );
    expect((await toril(`keys patch ${id} --ledger`, env)).code).toBe(2);
    expect((await toril(`keys patch ${id} --types nothing --ledger`, env)).code).toBe(2);
    expect((await toril("keys patch nothing --name n --ledger", env)).code).toBe(1);

    expect((await toril(`keys revoke ${id} --ledger`, env)).code).toBe(0);
    await stack.until("the key is refused", async () =>
      (await statusWith(rotated.lastLine)) === 401 ? true : undefined,
    );
    expect((await toril(`keys rotate ${id} --ledger`, env)).code).toBe(1);
    expect((await toril("keys revoke nothing --ledger", env)).code).toBe(1);
  });

  test("a key may be restricted to the queue and the type of a registered job type", async () => {
    const admin = await toril("keys create --name admin --scopes types:admin --ledger", env);
    const response = await fetch(`${stack.producers[0]!.url}/v1/job-types/text.count`, {
      method: "PUT",
      headers: {
        authorization: `Bearer ${admin.lastLine}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ worker: "pull", queue: "texts", data: { type: "object" } }),
    });
    expect(response.status).toBe(201);

    const create = "keys create --name counter --scopes jobs:work --ledger";
    const restricted = await toril(`${create} --queues texts --types text.count`, env);
    expect(restricted).toMatchObject({ code: 0, output: `${restricted.lastLine}\n` });

    const unknown = await toril(`${create} --queues nothing`, env);
    expect(unknown).toMatchObject({ code: 2, output: "" });
    expect(unknown.errors).toContain('"texts"');
    const ofOther = await toril(`${create} --queues texts --tenant acme`, env);
    expect(ofOther.code).toBe(2);
  });

  test("the quotas of a key limit its requests", async () => {
    const quotas = "--rate 1 --burst 2 --max-waiting 50 --bytes 100000 --ledger";
    const created = await toril(`keys create --name small --scopes jobs:write ${quotas}`, env);
    expect((await toril("keys list --ledger", env)).output).toContain(
      "1 jobs/s, 2 at once, 50 waiting, 100000 bytes/s",
    );
    const client = createClient({ baseUrl: stack.producers[0]!.url, apiKey: created.lastLine });
    const two = [echo("a"), echo("b")];
    expect((await client.createJobs(two)).counts.created).toBe(2);
    await expect(client.createJobs([...two, echo("c")])).rejects.toMatchObject({
      problem: { type: "urn:toril:problem:quota-exceeded", status: 429 },
    });
  });

  test("a ledger that is not migrated is an error that names the command", async () => {
    const empty = new URL(env["DATABASE_URL"]!);
    empty.pathname = "/postgres";
    const { code, errors } = await toril("keys list --ledger", { DATABASE_URL: empty.href });
    expect(code).toBe(1);
    expect(errors).toContain("bun run migrate");
  });
});

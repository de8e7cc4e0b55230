import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient, TorilError } from "@toril/client";

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
  const unavailable = await toril("keys list", missing);
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

  test("a key is created, accepted at once, rotated, listed and revoked", async () => {
    const created = await toril(
      "keys create --name shop --scopes jobs:read,jobs:write --expires 30d",
      env,
    );
    expect(created).toMatchObject({ code: 0, output: `${created.lastLine}\n` });
    expect(created.errors).toContain("first key");
    expect(await statusWith(created.lastLine)).toBe(200);
    const [, id = ""] = created.lastLine.split("_");

    const rotated = await toril(`keys rotate ${id} --grace 1h`, env);
    expect([await statusWith(rotated.lastLine), await statusWith(created.lastLine)]).toEqual([
      200, 200,
    ]);

    const other = await toril(
      "keys create --name feed --scopes jobs:write --tenant acme --types echo",
      env,
    );
    expect(other.errors).not.toContain("first key");
    expect(await statusWith(other.lastLine)).toBe(403);
    const { output } = await toril("keys list", env);
    expect(output).toMatch(new RegExp(`^${id}  shop  default .* until `, "m"));
    expect(output).toMatch(/ feed {2}acme .* echo /);
    expect(output).not.toContain(created.lastLine);
    expect((await toril("keys list --tenant acme", env)).output).not.toContain("shop");

    const patch = `keys patch ${id} --scopes jobs:write --types echo --rate 5 --expires unlimited`;
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
      `keys patch ${id} --scopes jobs:read --types unlimited --rate unlimited --json`,
      env,
    );
    expect(JSON.parse(restored.output)).toMatchObject({ types: null, quotas: null });
    await stack.until("the scopes apply", async () =>
      (await statusWith(rotated.lastLine)) === 200 ? true : undefined,
    );
    expect((await toril(`keys patch ${id}`, env)).code).toBe(2);
    expect((await toril(`keys patch ${id} --types nothing`, env)).code).toBe(2);
    expect((await toril("keys patch nothing --name n", env)).code).toBe(1);

    expect((await toril(`keys revoke ${id}`, env)).code).toBe(0);
    await stack.until("the key is refused", async () =>
      (await statusWith(rotated.lastLine)) === 401 ? true : undefined,
    );
    expect((await toril(`keys rotate ${id}`, env)).code).toBe(1);
    expect((await toril("keys revoke nothing", env)).code).toBe(1);
  });

  test("a key may be restricted to the queue and the type of a registered job type", async () => {
    const admin = await toril("keys create --name admin --scopes types:admin", env);
    const response = await fetch(`${stack.producers[0]!.url}/v1/job-types/text.count`, {
      method: "PUT",
      headers: {
        authorization: `Bearer ${admin.lastLine}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ worker: "pull", queue: "texts", data: { type: "object" } }),
    });
    expect(response.status).toBe(201);

    const create = "keys create --name counter --scopes jobs:work";
    const restricted = await toril(`${create} --queues texts --types text.count`, env);
    expect(restricted).toMatchObject({ code: 0, output: `${restricted.lastLine}\n` });

    const unknown = await toril(`${create} --queues nothing`, env);
    expect(unknown).toMatchObject({ code: 2, output: "" });
    expect(unknown.errors).toContain('"texts"');
    const ofOther = await toril(`${create} --queues texts --tenant acme`, env);
    expect(ofOther.code).toBe(2);
  });

  test("the quotas of a key limit its requests", async () => {
    const quotas = "--rate 1 --burst 2 --max-waiting 50 --bytes 100000";
    const created = await toril(`keys create --name small --scopes jobs:write ${quotas}`, env);
    expect((await toril("keys list", env)).output).toContain(
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
    const { code, errors } = await toril("keys list", { DATABASE_URL: empty.href });
    expect(code).toBe(1);
    expect(errors).toContain("bun run migrate");
  });
});

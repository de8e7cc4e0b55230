import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient, TorilError } from "@toril/contract/api/client";

import { echo } from "./_api.ts";
import { startStack, type Stack } from "./_stack.ts";
import { toril } from "./_toril.ts";

const nowhere = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/nothing" };

test.each(["", "help", "--help", "keys", "keys --help"])("toril %s prints help", async (args) => {
  const { code, output } = await toril(args);
  expect(code).toBe(0);
  expect(output).toContain("keys create");
});

test("every option of a command is in its help", async () => {
  const { code, output } = await toril("keys create --help");
  expect(code).toBe(0);
  const options = "name scopes tenant queues types rate burst max-waiting bytes expires";
  for (const option of options.split(" ")) {
    expect(output).toContain(`--${option}`);
  }
});

test.each([
  ["bulls", 'no "bulls"; there is keys, audit'],
  ["keys make", "there is create, list, rotate, revoke"],
  ["keys create", "--name is missing"],
  ["keys create --name a", "--scopes is missing"],
  ["keys create --name a --scopes", "--scopes"],
  ["keys create --name a --scopes jobs:all", "--scopes: "],
  ["keys create --name a --scopes jobs:read --types bull", "--types: "],
  ["keys create --name a --scopes jobs:read --queues bulls", "--queues: "],
  ["keys create --name a --scopes jobs:read --expires tomorrow", "--expires wants"],
  ["keys create --name a --scopes jobs:read --tenant ../b", "--tenant: "],
  ["keys create --name a --scopes jobs:write --rate 1.5", "--rate: must be a whole number"],
  ["keys create --name a --scopes jobs:write --burst 5", "--burst: `burst` requires `rate`."],
  ["keys create --name a --scopes jobs:write --max-waiting 0", "--max-waiting: Too small"],
  ["keys create --name a --scopes keys:admin --bytes 1", "--scopes: A key with keys:admin"],
  ["keys create --nmae a --scopes jobs:read", "--nmae"],
  ["keys create a --name a --scopes jobs:read", 'not "a"'],
  ["keys revoke", "takes <id>"],
  ["keys rotate 1 --grace 8d", "--grace: 7d at most"],
])("toril %s is refused with exit 2: %s", async (args, complaint) => {
  const { code, output, said } = await toril(args, nowhere);
  expect({ code, output }).toEqual({ code: 2, output: "" });
  expect(said).toContain("toril: ");
  expect(said).toContain(complaint);
});

test("a ledger that is not there is said in one line", async () => {
  const { code, said } = await toril("keys list", nowhere);
  expect(code).toBe(1);
  expect(said).toMatch(/^toril: The ledger does not answer: .*ECONNREFUSED.*$/m);
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

  test("a key is made, opens the service at once, is rotated, listed and revoked", async () => {
    const made = await toril(
      "keys create --name shop --scopes jobs:read,jobs:write --expires 30d",
      env,
    );
    expect(made).toMatchObject({ code: 0, output: `${made.lastLine}\n` });
    expect(made.said).toContain("It is the first");
    expect(await statusWith(made.lastLine)).toBe(200);
    const [, id = ""] = made.lastLine.split("_");

    const rotated = await toril(`keys rotate ${id} --grace 1h`, env);
    expect([await statusWith(rotated.lastLine), await statusWith(made.lastLine)]).toEqual([
      200, 200,
    ]);

    const other = await toril(
      "keys create --name feed --scopes jobs:write --tenant acme --types echo",
      env,
    );
    expect(other.said).not.toContain("It is the first");
    expect(await statusWith(other.lastLine)).toBe(403);
    const { output } = await toril("keys list", env);
    expect(output).toMatch(new RegExp(`^${id}  shop  default .* until `, "m"));
    expect(output).toMatch(/ feed {2}acme .* echo /);
    expect(output).not.toContain(made.lastLine);
    expect((await toril("keys list --tenant acme", env)).output).not.toContain("shop");

    expect((await toril(`keys revoke ${id}`, env)).code).toBe(0);
    await stack.until("it is refused", async () =>
      (await statusWith(rotated.lastLine)) === 401 ? true : undefined,
    );
    expect((await toril(`keys rotate ${id}`, env)).code).toBe(1);
    expect((await toril("keys revoke nothing", env)).code).toBe(1);
  });

  test("a key with quotas is kept to them", async () => {
    const quotas = "--rate 1 --burst 2 --max-waiting 50 --bytes 100000";
    const made = await toril(`keys create --name small --scopes jobs:write ${quotas}`, env);
    expect((await toril("keys list", env)).output).toContain(
      "1 jobs/s, 2 at once, 50 waiting, 100000 bytes/s",
    );
    const client = createClient({ baseUrl: stack.producers[0]!.url, apiKey: made.lastLine });
    const two = [echo("a"), echo("b")];
    expect((await client.createJobs(two)).counts.created).toBe(2);
    await expect(client.createJobs([...two, echo("c")])).rejects.toMatchObject({
      problem: { type: "urn:toril:problem:quota-exceeded", status: 429 },
    });
  });

  test("a ledger that was not migrated is said in one line", async () => {
    const empty = new URL(env["DATABASE_URL"]!);
    empty.pathname = "/postgres";
    const { code, said } = await toril("keys list", { DATABASE_URL: empty.href });
    expect(code).toBe(1);
    expect(said).toContain("bun run migrate");
  });
});

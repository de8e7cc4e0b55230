import { expect, test } from "bun:test";

import { shippedRegistry } from "../../contract/test/_job-types.ts";

import { type CommandContext, parseDuration, UsageError } from "./command.ts";
import { run } from "./run.ts";

async function _run(args: string): Promise<string> {
  const lines: string[] = [];
  const context: CommandContext = {
    print: (line) => lines.push(line),
    inform: (line) => lines.push(line),
    withLedger: () => Promise.reject(new Error("the ledger was used")),
    user: "tester",
    jobTypes: shippedRegistry,
  };
  await run(args.split(" ").filter(Boolean), context);
  return lines.join("\n");
}

test.each(["", "help", "--help", "keys", "keys --help"])("toril %s prints help", async (args) => {
  expect(await _run(args)).toContain("keys create");
});

test("every option of a command is in its help", async () => {
  const output = await _run("keys create --help");
  const options = "name scopes tenant queues types rate burst max-waiting bytes expires";
  for (const option of options.split(" ")) expect(output).toContain(`--${option}`);
});

test.each([
  ["bulls", "keys, audit"],
  ["keys make", "create, list, rotate, revoke"],
  ["keys create", "--name"],
  ["keys create --name a", "--scopes"],
  ["keys create --name a --scopes", "--scopes"],
  ["keys create --name a --scopes jobs:all", "--scopes"],
  ["keys create --name a --scopes jobs:read --types bull", "--types"],
  ["keys create --name a --scopes jobs:read --queues bulls", "--queues"],
  ["keys create --name a --scopes jobs:read --expires tomorrow", "--expires"],
  ["keys create --name a --scopes jobs:read --tenant ../b", "--tenant"],
  ["keys create --name a --scopes jobs:write --rate 1.5", "--rate"],
  ["keys create --name a --scopes jobs:write --burst 5", "--burst"],
  ["keys create --name a --scopes jobs:write --max-waiting 0", "--max-waiting"],
  ["keys create --name a --scopes keys:admin --bytes 1", "--scopes"],
  ["keys create --nmae a --scopes jobs:read", "--nmae"],
  ["keys create a --name a --scopes jobs:read", '"a"'],
  ["keys revoke", "<id>"],
  ["keys rotate 1 --grace 8d", "--grace"],
  ["audit list --limit 0", "--limit"],
  ["audit list --limit many", "--limit"],
  ["audit verify --head 7", "--head"],
  ["audit verify --head 7:beef", "--head"],
])("toril %s is refused with an error that names %s", async (args, name) => {
  const error: unknown = await _run(args).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(UsageError);
  expect((error as UsageError).message).toContain(name);
});

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["12h", 43_200_000],
  ["30d", 2_592_000_000],
])("the duration %s is %d ms", (text, ms) => {
  expect(parseDuration("expires", text)).toBe(ms);
});

test.each(["", "30", "d", "0d", "-1d", "1.5h", "1w", "30 d", "123456d", "tomorrow"])(
  "%j is not a duration",
  (text) => {
    expect(() => parseDuration("expires", text)).toThrow(UsageError);
  },
);

import { expect, test } from "bun:test";

import { _runCommand } from "./_run-command.ts";
import { parseDuration, UsageError } from "./command.ts";
import manifest from "./package.json" with { type: "json" };

test.each(["", "help", "--help"])("toril %s lists all commands", async (args) => {
  const { code, output } = await _runCommand(args);
  expect(code).toBe(0);
  for (const name of ["enqueue", "jobs", "profiles set", "keys create"]) {
    expect(output).toContain(`  ${name} `);
  }
});

test.each(["keys", "keys --help", "help keys"])("toril %s prints the group", async (args) => {
  expect((await _runCommand(args)).output).toContain("keys create");
});

test("the version is that of the package", async () => {
  expect((await _runCommand("--version")).output).toBe(manifest.version);
});

test("every option of a command is in its help", async () => {
  const { output } = await _runCommand("keys create --help");
  const options = "name scopes tenant queues types rate burst max-waiting bytes expires json";
  for (const option of options.split(" ")) expect(output).toContain(`--${option}`);
  expect((await _runCommand("help redrive")).output).toContain("-y, --yes");
});

test.each([
  ["bulls", "jobs, tail"],
  ["keys make", "create, list, patch, rotate, revoke"],
  ["keys create", "--name"],
  ["keys create --name a", "--scopes"],
  ["keys create --name a --scopes", "--scopes"],
  ["keys create --name a --scopes jobs:all", "--scopes"],
  ["keys create --name a --scopes jobs:read --expires tomorrow", "--expires"],
  ["keys create --name a --scopes jobs:read --tenant ../b --ledger", "--tenant"],
  ["keys create --name a --scopes jobs:write --rate 1.5", "--rate"],
  ["keys create --name a --scopes jobs:write --burst 5 --ledger", "--burst"],
  ["keys create --name a --scopes jobs:write --max-waiting 0 --ledger", "--max-waiting"],
  ["keys create --name a --scopes keys:admin --bytes 1 --ledger", "--scopes"],
  ["keys create --name a --scopes jobs:read --tenant b", "--ledger"],
  ["keys list --tenant b", "--ledger"],
  ["keys list --ledger --url http://127.0.0.1:3000", "mutually exclusive"],
  ["keys create --nmae a --scopes jobs:read", "--nmae"],
  ["keys create a --name a --scopes jobs:read", '"a"'],
  ["keys revoke", "<id>"],
  ["keys rotate 1 --grace 8d", "--grace"],
  ["audit list --limit 0", "--limit"],
  ["audit list --limit many", "--limit"],
  ["audit verify --head 7", "--head"],
  ["audit verify --head 7:beef", "--head"],
  ["enqueue", "<type>"],
  ["enqueue echo --data {", "--data"],
  ["enqueue echo --data 9007199254740993", "--data"],
  ["enqueue echo --data @/nonexistent/file", "--data"],
  ["enqueue echo --delay soon", "--delay"],
  ["enqueue echo --order random", "--order"],
  ["enqueue echo --url ftp://example.org", "ftp://example.org"],
  ["enqueue echo --profile none", '"none"'],
  ["import", "<file>"],
  ["import /nonexistent/file.csv --type row.import", "/nonexistent/file.csv"],
  ["import -", "--type"],
  ["import rows.xlsx --type row.import --delimiter tab", "--delimiter"],
  ["import - --type row.import --format xlsx --compress gzip", "--compress"],
  ["import - --type row.import --sheet Orders", "--sheet"],
  ["import - --type row.import --compress zip", "gzip"],
  ["import - --type row.import --parallel 0", "--parallel"],
  ["import - --type row.import --max-errors -1", "--max-errors"],
  ["import - --type row.import --mapping {", "--mapping"],
  ["import - --type row.import --mapping -", "--mapping"],
  ["import - --type row.import --unknown-columns keep", "--unknown-columns"],
  ["imports errors 1 --format xml", "--format"],
  ["imports list --status lost", "--status"],
  ["feeds import /nonexistent/feeds.opml", "/nonexistent/feeds.opml"],
  ["feeds import - --every soon", "--every"],
  ["feeds import -", "OPML"],
  ["reconcile", "--dry-run"],
  ["types put mail", "--from"],
  ["jobs --status ended", "--status"],
  ["jobs --limit 501", "--limit"],
  ["jobs --where name", "--where"],
  ["cancel", "<id>..."],
  ["redrive", "--all"],
  ["redrive --all --type echo", "--all"],
  ["redrive 1 --type echo", "mutually exclusive"],
  ["tail --job 1 --queue q", "mutually exclusive"],
  ["open nothing", "docs"],
  ["completion tcsh", "fish"],
])("toril %s is refused with an error that names %s", async (args, name) => {
  const { code, errors, output } = await _runCommand(args);
  expect([code, output]).toEqual([2, ""]);
  expect(errors).toContain(name);
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

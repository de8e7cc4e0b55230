import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { saveSchedule } from "@toril/contract/engine/schedules/schedule-ledger";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { loadConfig } from "../src/config.ts";
import { parseScheduleFile } from "../src/scheduler/schedule-file.ts";
import { _emptyTables, _openWorld, _startConsumer, _until } from "./_world.ts";

const world = await _openWorld();
afterAll(() => world[Symbol.asyncDispose]());
afterEach(async () => {
  await _emptyTables(world.sql, "schedules", "jobs");
});

const secretKeys = `2026a:${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;
const yearly = (message: string) => ({
  cron: "0 0 1 1 *",
  job: { type: "echo", data: { message } },
});
const secretive = {
  cron: "0 0 1 1 *",
  job: { type: "feed.fetch", data: { url: "http://a.example", authorization: "Bearer fish" } },
};

async function _boot(file: object) {
  const said: Record<string, unknown>[] = [];
  await using _ = await _startConsumer(world, {
    env: { SCHEDULES_FILE: "schedules.json", SECRET_KEYS: secretKeys },
    files: { "schedules.json": JSON.stringify(file) },
    log: (line) => said.push(line),
  });
  return _until(() => said.find(({ msg }) => msg === "applied the schedule file"));
}

async function _stored() {
  const rows = await world.sql<{ name: string; source: string; version: number }[]>`
    select name, source, version from schedules order by name`;
  return rows.map(({ name, source, version }) => `${name} ${source} ${version}`);
}

test("schedules of the file are created, updated and deleted with the file", async () => {
  const definition = shippedRegistry.schemas.ScheduleDefinition.parse(yearly("api"));
  for (const name of ["api", "taken"]) {
    const named = { tenant: "default", name };
    await saveSchedule(
      world.sql,
      named,
      { definition, source: "api" },
      { jobTypes: shippedRegistry, keys: undefined },
    );
  }
  const other = { tenant: "other", name: "a" };
  await saveSchedule(
    world.sql,
    other,
    { definition, source: "file" },
    { jobTypes: shippedRegistry, keys: undefined },
  );
  await world.sql`update schedules set tenant = 'other' where name = 'a'`;

  await _boot({ a: yearly("1"), b: yearly("1"), secretive, taken: yearly("1") });
  const made = [
    "a file 1",
    "a file 1",
    "api api 1",
    "b file 1",
    "secretive file 1",
    "taken file 2",
  ];
  expect(await _stored()).toEqual(made);

  // Reordered fields and a re-encrypted secret are not a change.
  const { cron, job } = yearly("1");
  await _boot({ b: { job, cron }, a: yearly("1"), secretive, taken: yearly("1") });
  expect(await _stored()).toEqual(made);

  expect(await _boot({ b: yearly("2") })).toMatchObject({
    saved: ["b"],
    deleted: expect.arrayContaining(["a", "secretive", "taken"]),
  });
  expect(await _stored()).toEqual(["a file 1", "api api 1", "b file 2"]);
  const [row] = await world.sql`select tenant from schedules where name = 'a'`;
  expect(row!["tenant"]).toBe("other");
});

test("an empty file deletes its schedules, and no file deletes nothing", async () => {
  await _boot({ a: yearly("1") });
  await (await _startConsumer(world)).close();
  expect(await _stored()).toEqual(["a file 1"]);
  await _boot({});
  expect(await _stored()).toEqual([]);
});

test("an invalid file is refused with the line and field of every error", () => {
  const text = `
nightly:
  cron: "30 24 * * *"
  job:
    type: echo
    data: { message: 5 }
-bad:
  everyMs: 1000
  job: { type: echo, data: { message: a } }
half:
  everyMs: 1000
`;
  for (const place of [
    "line 3: /nightly/cron: ",
    "line 6: /nightly/job/data/message: ",
    "line 7: /-bad: ",
    "line 10: /half/job: ",
  ]) {
    expect(_refusal(text)).toContain(place);
  }
  expect(_refusal("a: [")).toStartWith("SCHEDULES_FILE s.yaml: line 1: ");
  expect(_refusal("a: {cron: 1, cron: 2}")).toStartWith("SCHEDULES_FILE s.yaml: line 1: ");
  expect(_refusal("- a")).toStartWith("SCHEDULES_FILE s.yaml: line 1: ");
  expect(_refusal(JSON.stringify({ a: secretive }))).toContain("/a/job/data/authorization: ");
  const keys = createKeyRing(_toKeys(secretKeys));
  expect(
    _refusal(JSON.stringify({ a: { ...secretive, more: "Bearer fish" } }), keys),
  ).not.toContain("fish");
});

function _refusal(text: string, keys?: ReturnType<typeof createKeyRing>) {
  try {
    parseScheduleFile(shippedRegistry, "s.yaml", text, keys);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

function _toKeys(text: string) {
  const env = { REDIS_URL: "redis://a", DATABASE_URL: "postgres://a", SECRET_KEYS: text };
  return loadConfig(shippedRegistry, env, () => "").secretKeys!;
}

test("the example is a valid schedule file", async () => {
  const path = new URL("../../ops/examples/schedules.yaml", import.meta.url);
  const file = parseScheduleFile(
    shippedRegistry,
    "schedules.yaml",
    await Bun.file(path).text(),
    undefined,
  );
  expect([...file.keys()]).toEqual(["nightly-greeting", "feed"]);
});

test("the consumer reads the schedule file again on SIGHUP, and ignores an invalid file", async () => {
  const directory = await mkdtemp(join(tmpdir(), "toril-"));
  await using _ = { [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
  const path = join(directory, "schedules.yaml");
  await writeFile(path, JSON.stringify({ a: yearly("1") }));
  const child = Bun.spawn(
    [
      fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url)),
      fileURLToPath(new URL("../src/main.ts", import.meta.url)),
    ],
    {
      env: {
        REDIS_URL: world.redisUrl,
        DATABASE_URL: world.databaseUrl,
        BULL_PREFIX: world.prefix,
        SCHEDULES_FILE: path,
      },
      stdout: "pipe",
      stderr: "ignore",
    },
  );
  let log = "";
  const logging = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) log += decoder.decode(chunk, { stream: true });
  })();
  await _until(() => log.includes('"ready"'));
  await _until(async () => (await _stored()).includes("a file 1"));

  await writeFile(path, "no: [");
  child.kill("SIGHUP");
  await _until(() => log.includes("failed to reload the schedule file"));
  expect(await _stored()).toEqual(["a file 1"]);
  await writeFile(path, JSON.stringify({ b: yearly("1") }));
  child.kill("SIGHUP");
  await _until(async () => (await _stored()).join() === "b file 1");

  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  await logging;
});

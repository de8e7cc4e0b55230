import { afterAll, beforeAll, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

function _start(env: Record<string, string>) {
  const child = Bun.spawn([node, main], { env, stdout: "pipe", stderr: "pipe" });
  return Object.assign(child, {
    lines: new Response(child.stderr).text(),
    out: new Response(child.stdout).text(),
  });
}

const _env = () => ({
  REDIS_URL: world.redisUrl,
  DATABASE_URL: world.databaseUrl,
  BULL_PREFIX: world.prefix,
});

test("the consumer refuses to start on a database without tables, with one line on stderr", async () => {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  await world.sql`create database ${world.sql(name)}`;
  const url = new URL(world.databaseUrl);
  url.pathname = `/${name}`;

  const child = _start({ ..._env(), DATABASE_URL: url.href });

  expect(await child.exited).toBe(1);
  expect(await child.lines).toMatch(/^consumer: .*migrations.*\n$/);
  await world.sql`drop database ${world.sql(name)} with (force)`;
});

test("the consumer refuses to start with a job type that has no handler, and names it", async () => {
  const starting = _startConsumer(world, { handlers: { "feed.item": undefined as never } });
  await expect(starting).rejects.toThrow("no handler for the job types: feed.item");
});

test("the consumer runs jobs on Node, and exits with 0 after SIGTERM", async () => {
  const child = _start(_env());
  const { id } = await world.accept({ type: "echo", data: { message: "hello" } });
  expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });

  child.kill("SIGTERM");

  expect(await child.exited).toBe(0);
  expect(await child.lines).toBe("");
  const messages = (await child.out)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).msg);
  expect([messages.at(0), messages.at(-1)]).toEqual(["ready", "stopped"]);
});

test("a second signal ends the drain, and another consumer runs the requeued jobs", async () => {
  const child = _start(_env());
  const { id } = await world.accept({ type: "echo", data: { message: "hello", sleepMs: 60_000 } });
  await _until(async () => (await world.redis.llen(world.keys().active)) === 1);

  child.kill("SIGINT");
  child.kill("SIGTERM");

  expect(await child.exited).toBe(0);
  expect(await world.getRow(id)).toMatchObject({ status: "pending" });
  expect(await world.redis.lrange(world.keys().wait, 0, -1)).toEqual([id]);
});

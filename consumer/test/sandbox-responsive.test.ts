import { afterAll, beforeAll, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { _freePort, _openWorld, _until, type _World } from "./_world.ts";

const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const script = fileURLToPath(new URL("_node-consumer.ts", import.meta.url));
const rows = 20_000;
const jobs = 2;

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

/** Measures the p99 lag of the consumer's event loop while statistics are computed, in seconds. */
async function _measureLag(kind: "own" | "unsandboxed", importId: string) {
  const port = await _freePort();
  const child = Bun.spawn([node, script, kind], {
    env: {
      REDIS_URL: world.redisUrl,
      DATABASE_URL: world.databaseUrl,
      BULL_PREFIX: world.prefix,
      METRICS_PORT: String(port),
    },
    stdout: "ignore",
    stderr: "inherit",
  });
  const lag = async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/^nodejs_eventloop_lag_p99_seconds (.+)$/m.exec(text)?.[1]);
  };
  // Each reading starts a new measurement period.
  await _until(() => lag().catch(() => undefined));
  const request = { type: "import.stats", data: { importId } } as const;
  const heavy = await Promise.all(Array.from({ length: jobs }, () => world.accept(request)));
  for (const { id } of heavy) {
    await _until(async () => (await world.getRow(id))?.["status"] === "completed");
  }
  const lagged = await lag();
  child.kill("SIGTERM");
  await child.exited;
  return lagged;
}

test("the consumer's event loop stays responsive while statistics are computed", async () => {
  const importId = Bun.randomUUIDv7();
  await world.sql`
    insert into imported_rows (import_id, row, values)
    select ${importId}, row, jsonb_object_agg('column' || n, (random() * 1e6)::int::text)
    from generate_series(1, ${rows}) as row, generate_series(1, 12) as n group by row`;

  const unsandboxed = await _measureLag("unsandboxed", importId);

  expect(await _measureLag("own", importId)).toBeLessThan(unsandboxed / 2);
});

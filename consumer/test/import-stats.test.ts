import { afterAll, beforeAll, expect, test } from "bun:test";
import { _freePort, _openWorld, _signal, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
let consumer: Awaited<ReturnType<typeof _startConsumer>>;
beforeAll(async () => {
  world = await _openWorld();
  consumer = await _startConsumer(world, {
    env: { METRICS_PORT: String(await _freePort()), WORKER_SANDBOX_THREADS: "1" },
  });
});
afterAll(async () => {
  await consumer[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

async function _store(rows: readonly Record<string, string>[], tenant = "default") {
  const importId = Bun.randomUUIDv7();
  await world.sql`
    insert into imported_rows (tenant, import_id, row, values)
    select ${tenant}, ${importId}, ordinality, value
    from jsonb_array_elements(${JSON.stringify(rows)}::text::jsonb) with ordinality`;
  return importId;
}

async function _getStats(importId: string, columns?: string[]) {
  const { id } = await world.accept({ type: "import.stats", data: { importId, columns } });
  return world.waitForEnd(id);
}

test("statistics cover every column of an import", async () => {
  const importId = await _store([
    { city: "Ulm", size: "1.5" },
    { city: "Ulm", size: "" },
    { city: "Köln", size: " 2e1 " },
    { city: "", size: "large" },
  ]);

  expect(await _getStats(importId)).toMatchObject({
    status: "completed",
    result: {
      rows: 4,
      columns: [
        {
          name: "city",
          count: 3,
          empty: 1,
          longest: 4,
          distinct: 2,
          isDistinctExact: true,
          top: [
            { value: "Ulm", count: 2 },
            { value: "Köln", count: 1 },
          ],
          numbers: null,
        },
        {
          name: "size",
          count: 3,
          empty: 1,
          numbers: { count: 2, min: 1.5, max: 20, mean: 10.75, median: 10.75, isExact: true },
        },
      ],
    },
  });
});

test("statistics of a large import match those that Postgres computes", async () => {
  const importId = Bun.randomUUIDv7();
  await world.sql`
    insert into imported_rows (import_id, row, values)
    select ${importId}, row, jsonb_build_object('n', (random() * 1000 - 500)::text, 'x', repeat('x', row % 500))
    from generate_series(1, 20000) as row`;
  const [expected] = await world.sql`
    select count(*)::int, min(n), max(n), avg(n) as mean, stddev_samp(n) as stddev,
      percentile_cont(0.5) within group (order by n) as median,
      percentile_cont(0.95) within group (order by n) as p95
    from (select (values->>'n')::float8 as n from imported_rows where import_id = ${importId}) as numbers`;

  const end = await _getStats(importId, ["n"]);

  expect(end).toMatchObject({
    result: { rows: 20_000, columns: [{ name: "n", isDistinctExact: true }] },
  });
  const { isExact, ...numbers } = end["result"].columns[0].numbers;
  expect(isExact).toBe(true);
  for (const [name, value] of Object.entries(expected!)) {
    expect(numbers[name]).toBeCloseTo(value as number, 6);
  }
});

test("an import without statistics makes the job dead with a reason", async () => {
  const importId = await _store([{ a: "1" }]);
  const others = await _store([{ a: "1" }], "other");

  for (const [id, columns, message] of [
    [Bun.randomUUIDv7(), undefined, "no rows"],
    [others, undefined, "no rows"],
    [importId, ["a", "b"], "no column b"],
  ] as const) {
    const end = await _getStats(id, columns && [...columns]);
    expect(end).toMatchObject({
      status: "dead",
      attempts: 1,
      error: { name: "NonRetryableError" },
    });
    expect(end["error"].message).toContain(message);
  }
});

test("many jobs complete with few threads and a short waiting list, without using further attempts", async () => {
  const importId = await _store([{ a: "1" }]);
  const [holding, release] = [_signal(), _signal()];
  const held = world.sql.begin(async (tx) => {
    await tx`lock table imported_rows`;
    holding.resolve();
    await release.promise;
  });
  await holding.promise;
  const jobs = await Promise.all(
    Array.from({ length: 60 }, () => world.accept({ type: "import.stats", data: { importId } })),
  );
  await _until(async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${consumer.statusPort}/metrics`)).text();
    return ["toril_sandbox_running 1", "toril_sandbox_waiting 20"].every((line) =>
      metrics.includes(`\n${line}\n`),
    );
  });
  release.resolve();
  await held;
  for (const { id } of jobs) {
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 1 });
  }
});

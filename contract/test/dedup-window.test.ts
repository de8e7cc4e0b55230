import { afterAll, beforeAll, expect, test } from "bun:test";
import { createNewJob } from "../src/engine/jobs/enqueue/new-job.ts";
import { insertKeyedJobs } from "../src/engine/jobs/insert/insert-jobs.ts";
import { shippedRegistry } from "./_job-types.ts";
import { createTestLedger, type TestLedger } from "./_stores.ts";

let store: TestLedger;
beforeAll(async () => {
  store = await createTestLedger();
});
afterAll(() => store[Symbol.asyncDispose]());

function _once(key: string) {
  const keyPolicy = { type: "once" as const, windowMs: 3_600_000 };
  const request = { type: "echo" as const, data: { message: "a" }, key, keyPolicy };
  const made = createNewJob(shippedRegistry, request, { tenant: "default" }, undefined);
  if (made.status !== "ok") throw new Error(made.kind);
  return made.job;
}

test("a key counts once although two transactions that overlap use the key first", async () => {
  const [first, second, third] = [_once("k"), _once("k"), _once("k")];
  const insert = (job: typeof first) =>
    store.sql.begin((tx) => insertKeyedJobs(tx, [job], async () => []));
  const inserted = Promise.withResolvers<void>();
  const commit = Promise.withResolvers<void>();
  const holding = store.sql.begin(async (tx) => {
    await insertKeyedJobs(tx, [first], async () => []);
    inserted.resolve();
    await commit.promise;
  });
  await inserted.promise;
  const waiting = insert(second);
  for (let waits = 0; waits === 0;) {
    const [row] = await store.sql<{ waits: number }[]>`
      select count(*)::int as waits from pg_locks where not granted`;
    waits = row!.waits;
  }
  commit.resolve();
  await holding;
  expect(await waiting).toMatchObject([{ status: "duplicate", job: { id: first.id } }]);

  await store.sql`update jobs set status = 'completed', settled_at = now() where id = ${first.id}`;

  expect(await insert(third)).toMatchObject([{ status: "duplicate", job: { id: first.id } }]);
});

test("a key is free again when its job was deleted before the window ends", async () => {
  const [first, second] = [_once("deleted"), _once("deleted")];
  const insert = (job: typeof first) =>
    store.sql.begin((tx) => insertKeyedJobs(tx, [job], async () => []));
  await insert(first);
  await store.sql`delete from jobs where id = ${first.id}`;

  expect(await insert(second)).toMatchObject([{ status: "created" }]);
  expect(await insert(_once("deleted"))).toMatchObject([
    { status: "duplicate", job: { id: second.id } },
  ]);
});

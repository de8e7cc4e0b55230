import { afterAll, afterEach, expect, test } from "bun:test";
import { jobKey } from "@toril/contract/dispatch/names";
import { ScheduleDefinition } from "@toril/contract/schedule/schedule";
import { findSchedule, saveSchedule } from "@toril/contract/schedule/schedule-ledger";
import { slotId } from "@toril/contract/schedule/slot-id";
import { createKeyRing } from "@toril/contract/secret/key-ring";
import type { z } from "zod";
import { loadConfig } from "../src/config.ts";
import { _openWorld, _signal, _startConsumer, _startProxy, _until } from "./_world.ts";

const world = await _openWorld();
afterAll(() => world[Symbol.asyncDispose]());
afterEach(async () => {
  await world.sql`truncate schedules, jobs`;
});

type Written = z.input<typeof ScheduleDefinition>;
const job = { type: "echo", data: { message: "again" } } as const;
const hourly: Written = { everyMs: 3_600_000, job };
const hour = 3_600_000;

const secretKeys = `2026a:${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;
const config = loadConfig(
  { REDIS_URL: world.redisUrl, DATABASE_URL: world.databaseUrl, SECRET_KEYS: secretKeys },
  () => "",
);
const keys = createKeyRing(config.secretKeys!);

function _save(name: string, written: Written, tenant = "default") {
  const definition = ScheduleDefinition.parse(written);
  return saveSchedule(world.sql, { tenant, name }, { definition, source: "api" }, { keys });
}

/** A schedule that has been due for a while, and since when. */
async function _due(
  name: string,
  changes: Partial<Written> = {},
  { agoMs = 1, tenant = "default" } = {},
) {
  await _save(name, { ...hourly, ...changes }, tenant);
  return _makeDue(name, agoMs);
}

/** An interval is counted from `from`, which makes any time one of its slots. */
async function _makeDue(name: string, agoMs = 0) {
  const slot = new Date(Date.now() - agoMs);
  await world.sql`
    update schedules set next_at = ${slot},
      definition = definition || jsonb_build_object('from', ${slot.toISOString()}::text)
    where name = ${name}`;
  return slot;
}

const _find = (name: string, tenant = "default") => findSchedule(world.sql, { tenant, name });

/** The schedule, once its last run is that of the slot. */
function _ran(name: string, slot: Date, tenant?: string) {
  return _until(async () => {
    const found = await _find(name, tenant);
    return found?.lastRun?.slot === slot.toISOString()
      ? { ...found, run: found.lastRun }
      : undefined;
  });
}

test("what is due becomes a job that says where it comes from, under the id of its slot", async () => {
  await using _ = await _startConsumer(world);
  const slot = await _due("nightly", { job: { ...job, labels: ["a"] } }, { tenant: "acme" });
  const { run, nextAt, lastSlot } = await _ran("nightly", slot, "acme");
  expect(run).toMatchObject({ outcome: "created", jobId: await slotId("acme", "nightly", slot) });
  expect(lastSlot).toEqual(slot);
  expect(nextAt).toEqual(new Date(slot.getTime() + hour));
  expect(await world.endOf(run.jobId!)).toMatchObject({
    status: "completed",
    tenant: "acme",
    schedule: "nightly",
    labels: ["a"],
    result: { message: "again" },
  });
});

test("two consumers make one job for each time, and leave none out", async () => {
  await using _one = await _startConsumer(world);
  await using _two = await _startConsumer(world);
  const names = ["a", "b", "c", "d"];
  for (const name of names) {
    await _save(name, { everyMs: 2000, overlap: "queue", job });
  }
  const count = async () =>
    (await world.sql`select count(*)::int as n from jobs`)[0]!["n"] as number;
  await _until(async () => (await count()) >= 12);
  await world.sql`delete from schedules`;
  await _until(async () => {
    const [open] = await world.sql`select from jobs where status <> 'completed' limit 1`;
    return open === undefined;
  });
  const slots = await world.sql`
    select schedule, count(*)::int as jobs, count(distinct slot)::int as slots,
           (max(slot) - min(slot)) / 2000 + 1 as expected, max(slot % 2000)::int as beside
    from (select schedule, ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint as slot from jobs) as made
    group by schedule order by schedule`;
  expect(slots.map(({ schedule }) => schedule)).toEqual(names);
  for (const { jobs, slots: distinct, expected, beside } of slots) {
    expect([jobs, distinct, beside]).toEqual([Number(expected), Number(expected), 0]);
  }
});

test("while the job before is pending: skip, queue or replace", async () => {
  const { promise: released, resolve: release } = _signal();
  await using _ = await _startConsumer(world, {
    env: { WORKER_CONCURRENCY: "1" },
    handlers: {
      async echo({ message }) {
        await released;
        return { message };
      },
    },
  });
  // Keeps the only worker busy, so that what comes next waits in Redis.
  await world.accept({ type: "echo", data: { message: "busy" } });
  const outcomes: Record<
    string,
    { first: string; run: { outcome: string; jobId: string | null } }
  > = {};
  for (const overlap of ["skip", "queue", "replace"] as const) {
    const first = (await _ran(overlap, await _due(overlap, { overlap }))).run.jobId!;
    const slot = await _makeDue(overlap);
    outcomes[overlap] = { first, run: (await _ran(overlap, slot)).run };
  }
  const { skip, queue, replace } = outcomes;
  expect(skip!.run).toMatchObject({ outcome: "skipped", reason: "overlap", jobId: skip!.first });
  expect(queue!.run.outcome).toBe("created");
  expect(replace!.run.outcome).toBe("created");
  expect(await world.rowOf(replace!.first)).toMatchObject({
    status: "cancelled",
    error: { name: "Replaced" },
  });
  await world.isForgotten(replace!.first);
  release();
  for (const id of [skip!.first, queue!.first, queue!.run.jobId!, replace!.run.jobId!]) {
    expect((await world.endOf(id))?.["status"]).toBe("completed");
  }
});

test("for what was missed there is one run, of the latest time, or none", async () => {
  const agoMs = 10 * hour + 5 * 60_000;
  const [once, skip] = await Promise.all([
    _due("once", {}, { agoMs }),
    _due("skip", { missed: "skip" }, { agoMs }),
  ]);
  await using _ = await _startConsumer(world);
  const ran = await _ran("once", new Date(once.getTime() + 10 * hour));
  const skipped = await _ran("skip", new Date(skip.getTime() + 10 * hour));
  expect(ran.run).toMatchObject({ outcome: "created", reason: null });
  expect(skipped.run).toMatchObject({ outcome: "skipped", reason: "missed", jobId: null });
  expect(skipped.nextAt).toEqual(new Date(skip.getTime() + 11 * hour));
  const jobs = await world.sql`select schedule from jobs`;
  expect([...jobs]).toEqual([{ schedule: "once" }]);
});

test("a run whose key is taken is a duplicate of the job that has it", async () => {
  const holder = await world.record({ ...job, key: "taken" });
  await using _ = await _startConsumer(world);
  const slot = await _due("keyed", { job: { ...job, key: "taken" } });
  expect((await _ran("keyed", slot)).run).toMatchObject({ outcome: "duplicate", jobId: holder.id });
});

test("a slot that a schedule of that name has had does not run again", async () => {
  await using _ = await _startConsumer(world);
  const slot = await _due("phoenix");
  const { run, definition } = await _ran("phoenix", slot);
  await world.endOf(run.jobId!);
  await world.isForgotten(run.jobId!);
  await world.sql`update schedules set next_at = ${slot}, last_run = null, last_slot = null, last_job_id = null`;
  expect(definition.from).toBe(slot.toISOString());
  expect((await _ran("phoenix", slot)).run).toMatchObject({
    outcome: "duplicate",
    jobId: run.jobId,
  });
  expect(await world.hashOf(run.jobId!)).toEqual({});
});

test("what can be made no more says so, and holds up no other", async () => {
  const slots = {
    gone: await _due("gone"),
    nowhere: await _due("nowhere"),
    locked: await _due("locked", {
      job: { type: "feed.fetch", data: { url: "http://a.example", authorization: "Bearer x" } },
    }),
    well: await _due("well"),
  };
  await world.sql`
    update schedules set definition = jsonb_set(definition, '{job,type}', '"gone"') where name = 'gone'`;
  await world.sql`
    update schedules set definition = definition - 'everyMs' || '{"cron": "* * * * *", "timeZone": "No/Where"}'
    where name = 'nowhere'`;
  await using _ = await _startConsumer(world);
  expect((await _ran("well", slots.well)).run.outcome).toBe("created");
  for (const name of ["gone", "nowhere", "locked"] as const) {
    const { run, nextAt } = await _ran(name, slots[name]);
    expect(run).toMatchObject({ outcome: "failed", reason: "invalid", jobId: null });
    expect(nextAt === null).toBe(name === "nowhere");
  }
});

test("it ends with `until`", async () => {
  await using _ = await _startConsumer(world);
  const slot = await _due("last", { until: new Date(Date.now() + 60_000).toISOString() });
  expect((await _ran("last", slot)).nextAt).toBeNull();
});

test("a secret is encrypted for each job, and opened for its handler", async () => {
  const seen: (string | undefined)[] = [];
  await using _ = await _startConsumer(world, {
    env: { SECRET_KEYS: secretKeys },
    handlers: {
      async "feed.fetch"({ authorization }) {
        seen.push(authorization);
        return {
          items: 0,
          new: 0,
          changed: 0,
          same: 0,
          duplicate: 0,
          skipped: 0,
          notModified: false,
        };
      },
    },
  });
  const data = { url: "http://a.example", authorization: "Bearer swordfish" };
  const slot = await _due("private", { job: { type: "feed.fetch", data } });
  const { run, definition } = await _ran("private", slot);
  const row = await world.endOf(run.jobId!);
  expect(row).toMatchObject({ status: "completed" });
  expect(seen).toEqual(["Bearer swordfish"]);
  expect(JSON.stringify([row, definition])).not.toContain("swordfish");
});

test("a flushed Redis loses no run: it is placed again, and the next one comes", async () => {
  await using _ = await _startConsumer(world, {
    env: { BULL_QUEUE_NAME: "imports", RECONCILE_GRACE_MS: "0", RECONCILE_INTERVAL_MS: "200" },
  });
  const { run } = await _ran("hourly", await _due("hourly", { overlap: "queue" }));
  const isPlaced = async (id: string) =>
    (await world.redis.exists(jobKey(world.prefix, "default", id))) === 1;
  await _until(() => isPlaced(run.jobId!));
  for await (const found of world.redis.scanStream({ match: `${world.prefix}:*` })) {
    if (found.length > 0) await world.redis.del(found);
  }
  await _until(() => isPlaced(run.jobId!));
  const next = await _makeDue("hourly");
  const { run: second } = await _ran("hourly", next);
  await _until(() => isPlaced(second.jobId!));
});

test("it goes on when Postgres is back, and tells once that it was away", async () => {
  await using proxy = await _startProxy(world.databaseUrl);
  const said: unknown[] = [];
  await using _ = await _startConsumer(
    { ...world, databaseUrl: proxy.url },
    { log: ({ msg }) => said.push(msg) },
  );
  await _ran("before", await _due("before"));
  proxy.cut();
  const slot = await _due("after");
  await _until(() => said.includes("schedules cannot be looked at"));
  expect((await _find("after"))?.lastRun).toBeNull();
  proxy.mend();
  expect((await _ran("after", slot)).run.outcome).toBe("created");
  expect(said.filter((msg) => msg === "schedules cannot be looked at")).toHaveLength(1);
});

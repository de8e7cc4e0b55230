import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mayBeDeleted } from "@toril/contract/engine/postgres/retention-marks";
import { finalStatuses, type JobStatus } from "@toril/contract/api/jobs/job-states";
import { createRetention } from "../src/maintenance/retention.ts";
import type { RetentionAges } from "../src/maintenance/config.ts";
import { deleteStatements, type Retainable } from "../src/maintenance/retention-statements.ts";
import { _openWorld, _startReconciler, _until, type _World } from "./_reconcile.ts";

const hour = 3_600_000;
const off: RetentionAges = {
  completed: null,
  dead: null,
  cancelled: null,
  expired: null,
  imports: null,
  idempotencyKeys: null,
  dedupWindows: null,
  operations: null,
  webhookDeliveries: null,
};

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(async () => {
  await world.clear();
  await world.sql`
    truncate imports, imported_rows, idempotency_keys, retention_marks, job_terms, dedup_windows, operations`;
});

/** Returns an id that was created the given hours and a second ago. */
const _createdAgo = (hours: number) => Bun.randomUUIDv7("hex", Date.now() - hours * hour - 1000);

/** Inserts jobs that ended the given hours ago, right after their creation; returns their ids, in order. */
async function _settled(
  status: JobStatus,
  hoursAgo: readonly number[],
  { tenant = "default", importId = null }: { tenant?: string; importId?: string | null } = {},
) {
  const ids = hoursAgo.map((hours) => _createdAgo(hours));
  await world.sql`
    insert into jobs (id, tenant, queue, type, status, data, options, import_id, settled_at)
    select id, ${tenant}, 'echo', 'echo', ${status}, '{}', '{}', ${importId}, now() - hours * interval '1 hour'
    from unnest(${ids}::uuid[], ${[...hoursAgo]}::float8[]) as job (id, hours)`;
  return ids;
}

async function _kept() {
  const rows = await world.sql<{ id: string }[]>`select id from jobs order by id`;
  return rows.map(({ id }) => id);
}

/** Runs the retention as leader until nothing is left to delete. */
async function _retain(ages: Partial<RetentionAges>, batchSize = 1000) {
  const deleted: Partial<Record<Retainable, number>> = {};
  const oldest = new Map<string, number | null>();
  const problems: unknown[] = [];
  const retain = createRetention({
    ages: { ...off, ...ages },
    intervalMs: hour,
    batchSize,
    log: { info() {}, warn: (problem: unknown) => problems.push(problem) },
    onDeleted: (what, count) => (deleted[what] = (deleted[what] ?? 0) + count),
    onOldest: (what, seconds) => oldest.set(what, seconds),
  });
  await using _ = await _startReconciler(world, { maintenanceTasks: [retain] });
  await _until(() => oldest.size > 0 || problems.length > 0);
  expect(problems).toEqual([]);
  return { deleted, oldest };
}

test("a child is kept until its parent has ended", async () => {
  const [child, other] = await _settled("completed", [50, 50]);
  const parent = _createdAgo(50);
  await world.sql`
    insert into jobs (id, queue, type, status, data, options)
    values (${parent}, 'echo', 'echo', 'pending', '{}', '{}')`;
  await world.sql`update jobs set parent_id = ${parent}, on_failure = 'failParentOnFailure' where id = ${child!}`;
  await _retain({ completed: 24 * hour });
  expect((await _kept()).toSorted()).toEqual([child!, parent].toSorted());
  await world.sql`update jobs set status = 'cancelled', settled_at = now() where id = ${parent}`;
  await _retain({ completed: 24 * hour });
  expect(await _kept()).toEqual([parent]);
  expect(other).toBeDefined();
});

test("jobs are deleted by status and age", async () => {
  for (const [index, status] of finalStatuses.entries()) {
    await world.clear();
    const [, , ...young] = await _settled(status, [50, 30, 1]);
    const others = await Promise.all(
      finalStatuses.filter((other) => other !== status).map((other) => _settled(other, [50])),
    );
    const { deleted } = await _retain({ [status]: 24 * hour });
    expect([index, deleted]).toEqual([index, { [status]: 2 }]);
    expect(await _kept()).toEqual([...young, ...others.flat()].toSorted());
  }
});

test("pending jobs and rows without a retention age are never deleted", async () => {
  const pending = await _settled("pending", [1000]);
  const dead = await _settled("dead", [1000]);
  expect((await _retain({ completed: 1 })).deleted).toEqual({ completed: 0 });
  expect(await _kept()).toEqual([...pending, ...dead].toSorted());
});

test("many jobs are deleted in small batches, also jobs that ended at the same moment", async () => {
  await _settled("completed", Array(55).fill(30));
  await _settled(
    "completed",
    Array.from({ length: 48 }, (_, n) => 31 + n),
  );
  const young = await _settled("completed", [1, 2]);
  const { deleted, oldest } = await _retain({ completed: 24 * hour }, 10);
  expect(deleted).toEqual({ completed: 103 });
  expect(await _kept()).toEqual(young.toSorted());
  expect(oldest.get("completed")).toBeGreaterThan(7000);
  expect(oldest.get("completed")).toBeLessThan(24 * 3600);
  expect(oldest.get("dead")).toBeNull();
});

test("jobs of many tenants, types and statuses are deleted", async () => {
  await world.sql`
    insert into jobs (id, tenant, queue, type, status, data, options, settled_at)
    select (${_createdAgo(50).slice(0, 24)} || lpad(to_hex(n), 12, '0'))::uuid, 't' || n / 2, 'echo', 'type' || n % 3,
      case n % 4 when 0 then 'dead' when 1 then 'cancelled' else 'completed' end, '{}', '{}', now() - interval '50 hours'
    from generate_series(0, 4999) as n`;
  // More groups than a statement visits, before the others.
  await world.sql`
    insert into jobs (id, tenant, queue, type, status, data, options, settled_at)
    select (${_createdAgo(1).slice(0, 24)} || lpad(to_hex(n), 12, '0'))::uuid, 'a' || n, 'echo', 'echo', 'completed', '{}',
      '{}', now() - interval '1 hour'
    from generate_series(1, 1500) as n`;
  const { deleted, oldest } = await _retain({ completed: hour * 24, dead: hour * 24 }, 300);
  expect(deleted).toEqual({ completed: 2500, dead: 1250 });
  const kept = await world.sql`select status, count(*)::int from jobs group by 1 order by 1`;
  expect([...kept]).toEqual([
    { status: "cancelled", count: 1250 },
    { status: "completed", count: 1500 },
  ]);
  expect(oldest.get("cancelled")).toBeCloseTo(50 * 3600, -3);
  expect(oldest.get("completed")).toBeCloseTo(3600, -3);
});

test("a job that ended long after its creation is kept for the retention age, and not the others", async () => {
  const [late] = await _settled("completed", [90, 80, 70]);
  const [lateDead] = await _settled("dead", [90, 80]);
  await world.sql`
    update jobs set settled_at = now() - interval '1 hour' where id = any(${[late!, lateDead!]}::uuid[])`;
  const { deleted } = await _retain({ completed: 24 * hour, dead: 24 * hour }, 1);
  expect(deleted).toEqual({ completed: 2, dead: 1 });
  expect(await _kept()).toEqual([late!, lateDead!].toSorted());
  await world.sql`update jobs set settled_at = now() - interval '25 hours'`;
  await _retain({ completed: 24 * hour, dead: 24 * hour }, 1);
  expect(await _kept()).toEqual([]);
});

test("jobs that were created within the retention age are not examined", async () => {
  await _settled("completed", Array(50).fill(1));
  await _settled("completed", [50, 50]);
  const batch = { ageMs: 24 * hour, size: 10, after: undefined };
  const examine = (status: "completed" | "dead") => deleteStatements[status](world.sql, batch);
  expect(await examine("completed")).toEqual({ count: 2, kept: 0, next: undefined });
  expect(await examine("dead")).toEqual({ count: 0, kept: 0, next: undefined });
});

test("a dead job that is being redriven is skipped", async () => {
  const [redriven, other] = await _settled("dead", [50, 49]);
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const redriving = world.sql.begin(async (tx) => {
    await tx`update jobs set status = 'pending', generation = generation + 1, settled_at = null where id = ${redriven!}`;
    held.resolve();
    await release.promise;
  });
  await held.promise;
  const { deleted } = await _retain({ dead: hour });
  release.resolve();
  await redriving;
  expect(deleted).toEqual({ dead: 1 });
  expect(await _kept()).toEqual([redriven!]);
  expect(await _kept()).not.toContain(other!);
});

test("search terms are deleted with their job", async () => {
  const [old] = await _settled("completed", [50]);
  const [young] = await _settled("completed", [1]);
  await world.sql`
    insert into job_terms (tenant, term, job_id) values ('default', 'a', ${old!}), ('default', 'b', ${old!}), ('default', 'a', ${young!})`;
  await _retain({ completed: 24 * hour });
  const terms = await world.sql<{ id: string }[]>`select job_id as id from job_terms`;
  expect(terms.map(({ id }) => id)).toEqual([young!]);
});

test("a job whose key is reserved by a dedup window is kept until the window ends", async () => {
  const { sql } = world;
  const [taken, over, other] = await _settled("completed", [50, 50, 50]);
  await sql`update jobs set key = 'k' where id = any(${[taken!, other!]}::uuid[])`;
  await sql`update jobs set key = 'l' where id = ${over!}`;
  await sql`
    insert into dedup_windows (tenant, type, key, job_id, until)
    values ('default', 'echo', 'k', ${taken!}, now() + interval '1 hour'),
           ('default', 'echo', 'l', ${over!}, now() - interval '1 second')`;
  const { deleted } = await _retain({ completed: 24 * hour, dedupWindows: 0 });
  expect(deleted).toEqual({ completed: 2, dedupWindows: 1 });
  expect(await _kept()).toEqual([taken!]);
  const windows = await sql<{ key: string }[]>`select key from dedup_windows`;
  expect(windows.map(({ key }) => key)).toEqual(["k"]);
});

test("only operations that ended long ago are deleted", async () => {
  const { sql } = world;
  await sql`
    insert into operations (id, action, filter, restrictions, status, created_at, ended_at)
    select gen_random_uuid(), 'cancel', '{}', '{}', status, now() - interval '99 hours', now() - hours * interval '1 hour'
    from (values ('done', 50), ('stopped', 50), ('failed', 50), ('done', 1), ('running', null), ('pending', null))
      as operation (status, hours)`;
  const { deleted, oldest } = await _retain({ operations: 24 * hour }, 2);
  expect(deleted).toEqual({ operations: 3 });
  expect(oldest.get("operations")).toBeCloseTo(3600, -2);
  const kept = await sql<{ status: string }[]>`select status from operations order by status`;
  expect(kept.map(({ status }) => status)).toEqual(["done", "pending", "running"]);
});

test("an unknown id that is older than the deleted jobs of its tenant may have been deleted", async () => {
  const { sql } = world;
  const before = Bun.randomUUIDv7("hex", Date.now() - 51 * hour);
  const [mine] = await _settled("completed", [50], { tenant: "mine" });
  await _settled("completed", [1], { tenant: "theirs" });
  await _retain({ completed: 24 * hour });
  const after = Bun.randomUUIDv7("hex", Date.now() + hour);

  const ask = (tenant: string, id: string) => mayBeDeleted(sql, "job", { tenant, id });
  expect(await ask("mine", mine!)).toBe(true);
  expect(await ask("mine", before)).toBe(true);
  expect(await ask("mine", after)).toBe(false);
  expect(await ask("mine", "00000000-0000-4000-8000-000000000000")).toBe(false);
  expect(await ask("theirs", mine!)).toBe(false);
  expect(await mayBeDeleted(sql, "import", { tenant: "mine", id: mine! })).toBe(false);
});

test("imports are deleted with their rows after all of their jobs have ended", async () => {
  const { sql } = world;
  const ids: Record<string, string> = {};
  const imports = [
    { name: "done", status: "received", accepted: 3, completed: 2, dead: 1, hoursAgo: 50 },
    { name: "left", status: "receiving", accepted: 1, completed: 1, dead: 0, hoursAgo: 50 },
    { name: "empty", status: "failed", accepted: 0, completed: 0, dead: 0, hoursAgo: 50 },
    { name: "running", status: "received", accepted: 3, completed: 2, dead: 0, hoursAgo: 50 },
    { name: "young", status: "received", accepted: 3, completed: 3, dead: 0, hoursAgo: 1 },
  ];
  for (const { name, status, accepted, completed, dead, hoursAgo } of imports) {
    const id = Bun.randomUUIDv7("hex", Date.now() - hoursAgo * hour);
    ids[name] = id;
    await sql`
      insert into imports (id, tenant, type, status, accepted, completed, dead, created_at, touched_at)
      select ${id}, 'mine', 'row.import', ${status}, ${accepted}, ${completed}, ${dead}, at, at
      from (select now() - ${hoursAgo} * interval '1 hour' as at) as times`;
    for (const tenant of ["mine", "theirs"]) {
      await sql`
        insert into imported_rows (tenant, import_id, row, values)
        select ${tenant}, ${id}, row, '{}' from generate_series(1, 25) as row`;
    }
  }

  const { deleted } = await _retain({ imports: 24 * hour }, 10);

  expect(deleted).toEqual({ imports: 3 });
  const kept = await sql`select id from imports order by id`;
  const left = [ids["running"], ids["young"]].map(String).toSorted();
  expect(kept.map(({ id }) => id)).toEqual(left);
  const rows = await sql`
    select tenant, import_id as id, count(*)::int from imported_rows group by tenant, import_id order by tenant, import_id`;
  expect(rows.filter(({ tenant }) => tenant === "mine").map(({ id }) => id)).toEqual(left);
  expect(rows.filter(({ tenant }) => tenant === "theirs").length).toBe(5);
  expect(await mayBeDeleted(sql, "import", { tenant: "mine", id: ids["done"]! })).toBe(true);
});

test("idempotency keys are kept for the retention age after their response, and abandoned claims too", async () => {
  const { sql } = world;
  await sql`
    insert into idempotency_keys (tenant, key, request_hash, status, body, touched_at)
    select 'mine', key, 'x', status, '{}', now() - hours * interval '1 hour'
    from (values ('old', 201, 30), ('young', 201, 20), ('abandoned', null, 30), ('begun', null, 0)) as k (key, status, hours)`;
  expect((await _retain({ idempotencyKeys: 24 * hour }, 1)).deleted).toEqual({
    idempotencyKeys: 2,
  });
  const kept = await sql`select key from idempotency_keys order by key`;
  expect(kept.map(({ key }) => key)).toEqual(["begun", "young"]);
});

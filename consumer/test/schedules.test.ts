import { hash } from "node:crypto";
import { afterAll, afterEach, expect, test } from "bun:test";
import { jobKey } from "@toril/contract/engine/redis/names";
import type { ScheduleDefinitionInput } from "@toril/contract/api/schedule";
import { findSchedule, saveSchedule } from "@toril/contract/engine/schedules/schedule-ledger";
import { findDue, recordRuns } from "@toril/contract/engine/schedules/schedule-runs";
import { createScheduledJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { loadConfig } from "../src/config.ts";
import {
  _emptyTables,
  _openWorld,
  _signal,
  _startConsumer,
  _startProxy,
  _until,
} from "./_world.ts";

const world = await _openWorld();
afterAll(() => world[Symbol.asyncDispose]());
afterEach(async () => {
  await _emptyTables(world.sql, "schedules", "jobs", "api_keys");
});

type Written = ScheduleDefinitionInput;
const job = { type: "echo", data: { message: "again" } } as const;
const hourly: Written = { everyMs: 3_600_000, job };
const hour = 3_600_000;
const sha256 = (text: string) => hash("sha256", text, "hex");
/** Consumes another queue, so jobs stay pending. */
const idle = { env: { BULL_QUEUE_NAME: "feeds" } };

const secretKeys = `2026a:${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;
const config = loadConfig(
  shippedRegistry,
  { REDIS_URL: world.redisUrl, DATABASE_URL: world.databaseUrl, SECRET_KEYS: secretKeys },
  () => "",
);
const keys = createKeyRing(config.secretKeys!);

function _save(name: string, written: Written, tenant = "default") {
  const definition = shippedRegistry.schemas.ScheduleDefinition.parse(written);
  return saveSchedule(
    world.sql,
    { tenant, name },
    { definition, source: "api" },
    { jobTypes: shippedRegistry, keys },
  );
}

/** Saves a schedule that has been due since the returned time. */
async function _due(
  name: string,
  changes: Partial<Written> = {},
  { agoMs = 1, tenant = "default" } = {},
) {
  await _save(name, { ...hourly, ...changes }, tenant);
  return _makeDue(name, agoMs);
}

/** Sets `from`, so that any time can be a fire time of the interval. */
async function _makeDue(name: string, agoMs = 0) {
  const scheduledFor = new Date(Date.now() - agoMs);
  await world.sql`
    update schedules set next_at = ${scheduledFor},
      definition = definition || jsonb_build_object('from', ${scheduledFor.toISOString()}::text)
    where name = ${name}`;
  return scheduledFor;
}

const _find = (name: string, tenant = "default") => findSchedule(world.sql, { tenant, name });

/** Waits until the schedule's last run is that of the fire time. */
function _ran(name: string, scheduledFor: Date, tenant?: string) {
  return _until(async () => {
    const found = await _find(name, tenant);
    return found?.lastRun?.scheduledFor === scheduledFor.toISOString()
      ? { ...found, run: found.lastRun }
      : undefined;
  });
}

test("a due schedule enqueues a job that names the schedule, with an id derived from its fire time", async () => {
  await using _ = await _startConsumer(world);
  const scheduledFor = await _due(
    "nightly",
    { job: { ...job, labels: ["a"] } },
    { tenant: "acme" },
  );
  const { run, nextAt, lastFireTime } = await _ran("nightly", scheduledFor, "acme");
  expect(run).toMatchObject({
    outcome: "created",
    jobId: createScheduledJobId("acme", "nightly", scheduledFor, sha256),
  });
  expect(lastFireTime).toEqual(scheduledFor);
  expect(nextAt).toEqual(new Date(scheduledFor.getTime() + hour));
  expect(await world.waitForEnd(run.jobId!)).toMatchObject({
    status: "completed",
    tenant: "acme",
    schedule: "nightly",
    labels: ["a"],
    result: { message: "again" },
  });
});

test("two consumers enqueue exactly one job per fire time", async () => {
  await using _one = await _startConsumer(world);
  await using _two = await _startConsumer(world);
  const names = ["a", "b", "c", "d"];
  for (const name of names) await _save(name, { ...hourly, overlap: "queue" });
  const fireTimes: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    const due = await Promise.all(names.map((name) => _makeDue(name)));
    const runs = await Promise.all(names.map((name, at) => _ran(name, due[at]!)));
    expect(runs.map(({ run }) => run.outcome)).toEqual(names.map(() => "created"));
    fireTimes.push(...due.map((time) => String(time.getTime())));
  }
  await _until(async () => {
    const [open] = await world.sql`select from jobs where status <> 'completed' limit 1`;
    return open === undefined;
  });
  const made = await world.sql<{ fire_time: string }[]>`
    select ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint::text as fire_time from jobs`;
  expect(made.map((row) => row.fire_time).toSorted()).toEqual(fireTimes.toSorted());
});

test("the overlap policy applies while the previous job is pending: skip, queue or replace", async () => {
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
  // Blocks the only worker, so that later jobs wait in Redis.
  await world.accept({ type: "echo", data: { message: "busy" } });
  const outcomes: Record<
    string,
    { first: string; run: { outcome: string; jobId: string | null } }
  > = {};
  for (const overlap of ["skip", "queue", "replace"] as const) {
    const first = (await _ran(overlap, await _due(overlap, { overlap }))).run.jobId!;
    const scheduledFor = await _makeDue(overlap);
    outcomes[overlap] = { first, run: (await _ran(overlap, scheduledFor)).run };
  }
  const { skip, queue, replace } = outcomes;
  expect(skip!.run).toMatchObject({ outcome: "skipped", reason: "overlap", jobId: skip!.first });
  expect(queue!.run.outcome).toBe("created");
  expect(replace!.run.outcome).toBe("created");
  expect(await world.getRow(replace!.first)).toMatchObject({
    status: "cancelled",
    error: { name: "Replaced" },
  });
  await world.waitUntilRemoved(replace!.first);
  release();
  for (const id of [skip!.first, queue!.first, queue!.run.jobId!, replace!.run.jobId!]) {
    expect((await world.waitForEnd(id))?.["status"]).toBe("completed");
  }
});

test("missed fire times cause one run, for the latest time, or none", async () => {
  const agoMs = 10 * hour + 5 * 60_000;
  const [once, skip] = await Promise.all([
    _due("once", {}, { agoMs }),
    _due("skip", { misfire: "skip" }, { agoMs }),
  ]);
  await using _ = await _startConsumer(world);
  const ran = await _ran("once", new Date(once.getTime() + 10 * hour));
  const skipped = await _ran("skip", new Date(skip.getTime() + 10 * hour));
  expect(ran.run).toMatchObject({ outcome: "created", reason: null });
  expect(skipped.run).toMatchObject({ outcome: "skipped", reason: "misfire", jobId: null });
  expect(skipped.nextAt).toEqual(new Date(skip.getTime() + 11 * hour));
  const jobs = await world.sql`select schedule from jobs`;
  expect([...jobs]).toEqual([{ schedule: "once" }]);
});

test("a run whose key is taken is a duplicate of the pending job", async () => {
  const holder = await world.record({ ...job, key: "taken" });
  await using _ = await _startConsumer(world);
  const scheduledFor = await _due("keyed", { job: { ...job, key: "taken" } });
  expect((await _ran("keyed", scheduledFor)).run).toMatchObject({
    outcome: "duplicate",
    jobId: holder.id,
  });
});

test("a fire time of an earlier schedule with the same name does not fire again", async () => {
  await using _ = await _startConsumer(world);
  const scheduledFor = await _due("phoenix");
  const { run, definition } = await _ran("phoenix", scheduledFor);
  await world.waitForEnd(run.jobId!);
  await world.waitUntilRemoved(run.jobId!);
  await world.sql`update schedules set next_at = ${scheduledFor}, last_run = null, last_fire_time = null, last_job_id = null`;
  expect(definition.from).toBe(scheduledFor.toISOString());
  expect((await _ran("phoenix", scheduledFor)).run).toMatchObject({
    outcome: "duplicate",
    jobId: run.jobId,
  });
  expect(await world.getHash(run.jobId!)).toEqual({});
});

test("an invalid schedule records its failure and does not block other schedules", async () => {
  const fireTimes = {
    gone: await _due("gone"),
    missing: await _due("missing"),
    locked: await _due("locked", {
      job: { type: "feed.fetch", data: { url: "http://a.example", authorization: "Bearer x" } },
    }),
    well: await _due("well"),
  };
  await world.sql`
    update schedules set definition = jsonb_set(definition, '{job,type}', '"gone"') where name = 'gone'`;
  await world.sql`
    update schedules set definition = definition - 'everyMs' || '{"cron": "* * * * *", "timeZone": "No/Where"}'
    where name = 'missing'`;
  await using _ = await _startConsumer(world);
  expect((await _ran("well", fireTimes.well)).run.outcome).toBe("created");
  for (const name of ["gone", "missing", "locked"] as const) {
    const { run, nextAt } = await _ran(name, fireTimes[name]);
    expect(run).toMatchObject({ outcome: "failed", reason: "invalid", jobId: null });
    expect(nextAt === null).toBe(name === "missing");
  }
});

/** Makes the insertion of jobs with the message "wrong" wait until `release`, and fail then. */
async function _refuseWrongJobs() {
  await world.sql.unsafe(`
    create table gate ();
    create function refuse() returns trigger language plpgsql as $$ begin
      while exists (select from pg_class where relname = 'gate') loop perform pg_sleep(0.01); end loop;
      raise exception 'refused' using errcode = '22000';
    end $$;
    create trigger refuse before insert on jobs for each row when (new.data ->> 'message' = 'wrong') execute function refuse();`);
  const waitsOn = (what: string) =>
    _until(async () => {
      const [row] = await world.sql`
        select from pg_stat_activity where datname = current_database() and state = 'active' and ${world.sql.unsafe(what)}`;
      return row !== undefined;
    });
  return {
    reached: () => waitsOn("wait_event = 'PgSleep'"),
    /** Waits until a transaction waits for a lock. */
    locked: () => waitsOn("wait_event_type = 'Lock'"),
    release: () => world.sql`drop table gate`,
    async [Symbol.asyncDispose]() {
      await world.sql.unsafe(`drop table if exists gate; drop function if exists refuse cascade`);
    },
  };
}
const wrongJob = { type: "echo", data: { message: "wrong" } } as const;

test("a schedule that is corrected during a failing run keeps the correction", async () => {
  await using _ = await _startConsumer(world);
  await using refusal = await _refuseWrongJobs();
  await _due("broken", { job: wrongJob });
  await refusal.reached();
  const saving = _save("broken", { cron: "0 0 1 1 *", job });
  await refusal.locked();
  await refusal.release();
  const { row: saved } = await saving;

  // Ends after anything that the failed run still did.
  await _ran("well", await _due("well"));
  const found = await _find("broken");
  expect(found).toEqual(saved);

  const stale = { ...saved, version: saved.version - 1 };
  const at = new Date().toISOString();
  const run = {
    scheduledFor: null,
    at,
    outcome: "failed",
    jobId: null,
    reason: null,
    detail: null,
  } as const;
  expect(await recordRuns(world.sql, [{ schedule: stale, run }])).toBe(0);
  expect(await _find("broken")).toEqual(saved);
});

test("a schedule that is corrected during a failing run, and is due, runs as corrected", async () => {
  await using _ = await _startConsumer(world);
  await using refusal = await _refuseWrongJobs();
  const fireTime = await _due("broken", { job: wrongJob });
  await refusal.reached();
  // The lock of the table makes the scheduler record the failure after the correction.
  const correcting = world.sql.begin(async (tx) => {
    await tx`lock table schedules in exclusive mode`;
    await tx`
      update schedules set version = version + 1,
        definition = jsonb_set(definition, '{job,data,message}', '"right"') where name = 'broken'`;
  });
  await refusal.locked();
  await refusal.release();
  await correcting;
  expect((await _ran("broken", fireTime)).run).toMatchObject({ outcome: "created" });
});

/** Copies a schedule many times under other names. */
async function _multiply(name: string, count: number) {
  await world.sql`
    insert into schedules (tenant, name, id, type, definition, source, quota_key, next_at)
    select tenant, name || '-' || n, gen_random_uuid(), type, definition, source, quota_key, next_at
    from schedules, generate_series(1, ${count}::int) as n where name = ${name}`;
}

test("schedules of other tenants run among the first although a tenant has thousands of due schedules", async () => {
  await _due("many", {}, { tenant: "busy", agoMs: 30_000 });
  await _multiply("many", 1500);
  const scheduledFor = await _due("one", {}, { tenant: "quiet" });
  // After a batch that a busy machine or a lock made smaller, a consumer looks for more schedules.
  for (const batches of [1, 4]) {
    const [, second] = await findDue(world.sql, 500, batches);
    expect(second).toEqual({ tenant: "quiet", name: "one" });
  }
  await using _ = await _startConsumer(world, idle);
  await _ran("one", scheduledFor, "quiet");
  await _until(async () => {
    const [row] = await world.sql`select from schedules where last_run is null limit 1`;
    return row === undefined;
  });
  const batches = await world.sql`
    select last_run->>'at' as at, count(*)::int as runs, bool_or(tenant = 'quiet') as quiet
    from schedules group by 1 order by 1`;
  const before = batches.slice(
    0,
    batches.findIndex(({ quiet }) => quiet),
  );
  // A busy machine divides the first batch.
  expect(before.reduce((sum, { runs }) => sum + runs, 0)).toBeLessThan(100);
  expect(batches.length).toBeWithin(4, 500);
  expect(batches.reduce((sum, { runs }) => sum + runs, 0)).toBe(1502);
  const [made] = await world.sql`select count(*)::int as jobs from jobs`;
  expect(made).toEqual({ jobs: 1502 });
});

test("schedules run while another consumer has locked a whole batch of older ones", async () => {
  await _due("first", { overlap: "queue" }, { agoMs: 5000 });
  await _multiply("first", 499);
  const scheduledFor = await _due("free");
  await using held = await world.sql.reserve().then((sql) => ({
    sql,
    async [Symbol.asyncDispose]() {
      await sql`rollback`;
      sql.release();
    },
  }));
  await held.sql`begin`;
  expect(await held.sql`select from schedules where name <> 'free' for update`).toHaveLength(500);
  await using _ = await _startConsumer(world, idle);

  expect((await _ran("free", scheduledFor)).run).toMatchObject({ outcome: "created" });

  const [{ count }] = await world.sql<[{ count: number }]>`select count(*)::int from jobs`;
  expect(count).toBe(1);
});

test("a run beyond the quotas of the schedule's API key is recorded as deferred, and runs later", async () => {
  await world.sql`
    insert into api_keys (id, tenant, name, scopes, quotas, hash, revision)
    values ('few', 'default', 'k', '[]', '{"maxWaiting": 2}', 'few', 1),
           ('slow', 'default', 'k', '[]', '{"rate": 1, "burst": 1}', 'slow', 2)`;
  const said: Record<string, unknown>[] = [];
  await using _ = await _startConsumer(world, { ...idle, log: (line) => said.push(line) });
  const byOutcome = async (key: string) => {
    const rows = await world.sql<{ outcome: string; schedules: number }[]>`
      select last_run->>'outcome' as outcome, count(*)::int as schedules
      from schedules where quota_key = ${key} group by 1`;
    return Object.fromEntries(rows.map(({ outcome, schedules }) => [outcome, schedules]));
  };
  for (const key of ["few", "slow"]) {
    const definition = shippedRegistry.schemas.ScheduleDefinition.parse(hourly);
    const written = { definition, source: "api", quotaKey: key } as const;
    await saveSchedule(world.sql, { tenant: "default", name: key }, written, {
      jobTypes: shippedRegistry,
      keys,
    });
    await _multiply(key, 4);
  }
  const scheduledFor = await world.sql.begin(async (sql) => {
    const due = new Date();
    await sql`
      update schedules set next_at = ${due},
        definition = definition || jsonb_build_object('from', ${due.toISOString()}::text)`;
    return due;
  });
  await _until(async () => (await byOutcome("few"))["deferred"] === 3);
  expect(await byOutcome("few")).toEqual({ created: 2, deferred: 3 });
  const limited = "The key may enqueue 1 jobs per second, in bursts of up to 1.";
  await _until(() =>
    said.find(({ detail, outcome }) => outcome === "deferred" && detail === limited),
  );

  const [deferred] = await world.sql<{ name: string }[]>`
    select name from schedules where quota_key = 'few' and deferred_fire_time is not null limit 1`;
  const before = (await _find(deferred!.name))!;
  expect(before.lastRun).toEqual({
    scheduledFor: scheduledFor.toISOString(),
    at: before.lastRun!.at,
    outcome: "deferred",
    jobId: null,
    reason: "quota",
    detail: "The key may have at most 2 pending jobs.",
  });
  expect(before.nextAt!.getTime()).toBeWithin(
    Date.parse(before.lastRun!.at) + 1000,
    scheduledFor.getTime() + 61_000,
  );

  await world.sql`delete from schedules where name <> ${deferred!.name}`;
  await world.sql`update jobs set status = 'completed'`;
  await world.sql`update schedules set next_at = now() where name = ${deferred!.name}`;
  const after = await _until(async () => {
    const found = await _find(deferred!.name);
    return found?.lastRun?.outcome === "created" && found;
  });
  expect(after).toMatchObject({
    deferredFireTime: null,
    nextAt: new Date(scheduledFor.getTime() + hour),
  });
  expect(after.lastRun!.jobId).toBe(
    createScheduledJobId("default", deferred!.name, scheduledFor, sha256),
  );
  expect(await world.getRow(after.lastRun!.jobId!)).toMatchObject({ quota_key: "few" });
});

test("a schedule ends at `until`", async () => {
  await using _ = await _startConsumer(world);
  const scheduledFor = await _due("last", { until: new Date(Date.now() + 60_000).toISOString() });
  expect((await _ran("last", scheduledFor)).nextAt).toBeNull();
});

test("a secret is encrypted for each job and decrypted for its handler", async () => {
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
  const scheduledFor = await _due("private", { job: { type: "feed.fetch", data } });
  const { run, definition } = await _ran("private", scheduledFor);
  const row = await world.waitForEnd(run.jobId!);
  expect(row).toMatchObject({ status: "completed" });
  expect(seen).toEqual(["Bearer swordfish"]);
  expect(JSON.stringify([row, definition])).not.toContain("swordfish");
});

test("a flushed Redis loses no run: the job is re-dispatched, and the next fire time fires", async () => {
  await using _ = await _startConsumer(world, {
    env: { BULL_QUEUE_NAME: "imports", RECONCILE_GRACE_MS: "0", RECONCILE_INTERVAL_MS: "200" },
  });
  const { run } = await _ran("hourly", await _due("hourly", { overlap: "queue" }));
  const isDispatched = async (id: string) =>
    (await world.redis.exists(jobKey(world.prefix, "default", id))) === 1;
  await _until(() => isDispatched(run.jobId!));
  for await (const found of world.redis.scanStream({ match: `${world.prefix}:*` })) {
    if (found.length > 0) await world.redis.del(found);
  }
  await _until(() => isDispatched(run.jobId!));
  const next = await _makeDue("hourly");
  const { run: second } = await _ran("hourly", next);
  await _until(() => isDispatched(second.jobId!));
});

test("the scheduler continues when Postgres is available again, and logs the outage once", async () => {
  await using proxy = await _startProxy(world.databaseUrl);
  const said: unknown[] = [];
  await using _ = await _startConsumer(
    { ...world, databaseUrl: proxy.url },
    { log: ({ msg }) => said.push(msg) },
  );
  await _ran("before", await _due("before"));
  proxy.disconnect();
  const scheduledFor = await _due("after");
  await _until(() => said.includes("failed to read due schedules"));
  expect((await _find("after"))?.lastRun).toBeNull();
  proxy.reconnect();
  expect((await _ran("after", scheduledFor)).run.outcome).toBe("created");
  expect(said.filter((msg) => msg === "failed to read due schedules")).toHaveLength(1);
});

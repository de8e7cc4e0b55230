import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { bullId } from "@toril/contract/engine/redis/names";
import { selectJobs } from "@toril/contract/engine/jobs/change/select";
import type { JobSelection, OperationAction } from "@toril/contract/api/operation";
import type { Quotas } from "@toril/contract/api/access/quota";
import { createNewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { insertKeyedJobs } from "@toril/contract/engine/jobs/insert/insert-jobs";
import { openBackgroundLedger, openLedger } from "../src/stores/postgres.ts";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { _emptyTables, _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
let consumer: Awaited<ReturnType<typeof _startConsumer>>;

// Consumes another queue, so no worker touches the jobs of these tests.
const idle = { env: { BULL_QUEUE_NAME: "feeds" } };

beforeAll(async () => {
  world = await _openWorld();
  consumer = await _startConsumer(world, idle);
});
afterEach(async () => {
  await _emptyTables(world.sql, "jobs", "job_terms", "operations", "dedup_windows");
});
afterAll(async () => {
  await consumer[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

interface Requested {
  tenant?: string;
  restrictions?: object;
  ratePerSecond?: number;
  quotaKey?: string;
}

async function _operate(action: OperationAction, filter: JobSelection, requested: Requested = {}) {
  const {
    tenant = "default",
    restrictions = {},
    ratePerSecond = null,
    quotaKey = null,
  } = requested;
  const id = crypto.randomUUID();
  await world.sql`
    insert into operations (id, tenant, action, filter, restrictions, rate_per_second, quota_key)
    values (${id}, ${tenant}, ${action}, ${JSON.stringify(filter)}::text::jsonb,
            ${JSON.stringify(restrictions)}::text::jsonb, ${ratePerSecond}, ${quotaKey})`;
  return id;
}

const _find = async (id: string) =>
  (await world.sql`select * from operations where id = ${id}`)[0]!;
const _ended = (id: string) =>
  _until(async () => {
    const row = await _find(id);
    return row["ended_at"] !== null && row;
  });

/** Inserts jobs in the ledger only. */
async function _fill(
  count: number,
  status = "pending",
  more: { tenant?: string; key?: string } = {},
) {
  await world.sql`
    insert into jobs (id, tenant, queue, type, key, data, options, status)
    select ('019c2f1e-' || lpad(to_hex(n), 4, '0') || '-7000-8000-' || right(md5(random()::text), 12))::uuid,
           ${more.tenant ?? "default"}, 'default', 'echo', ${more.key ?? null}::text, '{"message":"a"}',
           '{"attempts":3,"backoff":{"type":"fixed","delay":1}}', ${status}
    from generate_series(1, ${count}::int) as n`;
}

async function _count() {
  const rows = await world.sql<{ tenant: string; status: string; count: number }[]>`
    select tenant, status, count(*)::int as count from jobs group by tenant, status`;
  return Object.fromEntries(
    rows.map(({ tenant, status, count }) => [`${tenant} ${status}`, count]),
  );
}

test("cancels all pending jobs of its own tenant, in Redis too", async () => {
  const accepted = await world.accept({ type: "echo", data: { message: "a" } });
  await _fill(600);
  await _fill(10, "pending", { tenant: "other" });
  await _fill(5, "completed");

  const row = await _ended(await _operate("cancel", {}));

  expect(row).toMatchObject({ status: "done", seen: 601, changed: 601, skipped: 0, failed: 0 });
  expect(await _count()).toEqual({
    "default cancelled": 601,
    "other pending": 10,
    "default completed": 5,
  });
  await world.waitUntilRemoved(accepted.id);
});

test("retries and dispatches dead jobs, and counts those whose key is taken", async () => {
  await _fill(3, "dead");
  await _fill(2, "dead", { key: "k" });
  await _fill(1, "pending", { key: "other" });

  const row = await _ended(await _operate("retry", {}));

  expect(row).toMatchObject({ status: "done", seen: 5, changed: 4, failed: 1 });
  const again = await world.sql<{ id: string }[]>`select id from jobs where generation = 1`;
  expect(again).toHaveLength(4);
  for (const { id } of again)
    expect(await world.getHash(bullId(id, 1))).toMatchObject({ name: "echo" });
});

test("promotes delayed jobs and deletes dead jobs", async () => {
  const { id } = await world.accept({ type: "echo", data: { message: "a" }, delayMs: 3_600_000 });
  await _fill(2, "dead");

  expect(await _ended(await _operate("promote", {}))).toMatchObject({ changed: 1, skipped: 0 });
  expect(await world.redis.lrange(world.keys().wait, 0, -1)).toContain(id);
  expect(await _ended(await _operate("promote", {}))).toMatchObject({ changed: 0, skipped: 1 });
  expect(await _ended(await _operate("delete", {}))).toMatchObject({ changed: 2 });
  expect(await _count()).toEqual({ "default pending": 1 });
});

test("selects only jobs that match its filter and the restrictions of the API key that created it", async () => {
  const labelled = await world.record({ type: "echo", data: { message: "a" }, labels: ["x"] });
  await _fill(2);

  expect(
    await _ended(await _operate("cancel", {}, { restrictions: { types: ["row.import"] } })),
  ).toMatchObject({
    seen: 0,
  });
  const later = { createdAfter: new Date(Date.now() + 60_000).toISOString() };
  expect(await _ended(await _operate("cancel", later))).toMatchObject({ seen: 0 });
  expect(await _ended(await _operate("cancel", { label: "x" }))).toMatchObject({ changed: 1 });
  expect(await world.getRow(labelled.id)).toMatchObject({ status: "cancelled" });
});

test("respects its rate, and stops on request", async () => {
  await _fill(1000);
  const id = await _operate("cancel", {}, { ratePerSecond: 10 });
  await _until(async () => (await _find(id))["seen"] > 0);

  await world.sql`update operations set is_stopping = true where id = ${id}`;

  const row = await _ended(id);
  expect(row["status"]).toBe("stopped");
  expect(row["seen"]).toBeLessThan(500);
  expect(await _count()).toMatchObject({ "default cancelled": row["changed"] });
});

test("an operation with a rate does not delay other operations", async () => {
  await _fill(100);
  await _fill(5, "dead");
  const slow = await _operate("cancel", {}, { ratePerSecond: 1 });
  await _until(async () => (await _find(slow))["seen"] > 0);

  expect(await _ended(await _operate("delete", {}))).toMatchObject({ changed: 5 });
  expect(await _find(slow)).toMatchObject({ status: "running" });
});

async function _createKey(quotas: Quotas) {
  const id = crypto.randomUUID();
  await world.sql`
    insert into api_keys (id, tenant, name, scopes, quotas, hash, revision)
    values (${id}, 'default', 'k', '[]', ${JSON.stringify(quotas)}::text::jsonb, ${id},
            (select coalesce(max(revision), 0) + 1 from api_keys))`;
  return id;
}

test("retried jobs respect the waiting quota of the API key", async () => {
  await _fill(7, "dead");
  const quotaKey = await _createKey({ maxWaiting: 3 });
  const id = await _operate("retry", {}, { quotaKey });
  const pending = () =>
    world.sql<{ id: string }[]>`
      select id from jobs where status = 'pending' and quota_key = ${quotaKey}`;
  await _until(async () => (await pending()).length === 3);
  const looks = await _find(id);
  await _until(async () => (await _find(id))["lease_until"] > looks["lease_until"]);

  for (let round = 0; round < 2; round += 1) {
    await _until(async () => (await pending()).length === 3);
    expect(await _find(id)).toMatchObject({ ended_at: null });
    await world.sql`update jobs set status = 'completed' where status = 'pending'`;
  }
  await _until(async () => (await pending()).length === 1);
  expect(await _ended(id)).toMatchObject({ status: "done", seen: 7, changed: 7 });
});

test("retried jobs respect the rate quota of the API key", async () => {
  await _fill(600, "dead");
  const id = await _operate("retry", {}, { quotaKey: await _createKey({ rate: 10 }) });
  const begun = await _until(async () => {
    const row = await _find(id);
    return row["seen"] > 0 && row;
  });

  expect(begun["seen"]).toBeLessThan(600);
  expect(begun).toMatchObject({ status: "running" });
});

test("an operation of another holder is taken over when its lease ends, and continues at its cursor", async () => {
  await _fill(20);
  const ids = await world.sql<{ id: string }[]>`select id from jobs order by id`;
  const id = await _operate("cancel", {});
  await world.sql`
    update operations set status = 'running', holder = gen_random_uuid(), cursor = ${ids[9]!.id},
      seen = 10, changed = 10, lease_until = now() + interval '3 seconds'
    where id = ${id}`;
  await world.sql`update jobs set status = 'cancelled' where id <= ${ids[9]!.id}`;

  expect(await _ended(id)).toMatchObject({ status: "done", seen: 20, changed: 20 });
  const [row] =
    await world.sql`select lease_until > created_at + interval '3 seconds' as late from operations`;
  expect(row).toEqual({ late: true });
});

test("tenants take turns, so that many operations of one tenant do not delay those of another", async () => {
  await _fill(300, "pending", { tenant: "busy" });
  await _fill(600, "pending", { tenant: "quiet" });
  // An operation without jobs takes no time: many of them would fit into the pause after a batch of the quiet tenant.
  await world.sql`
    update jobs set key = n from (select id, row_number() over () as n from jobs where tenant = 'busy') as busy
    where jobs.id = busy.id`;
  await world.sql`
    insert into operations (id, tenant, action, filter, restrictions)
    select gen_random_uuid(), 'busy', 'cancel', jsonb_build_object('key', n::text), '{}' from generate_series(1, 300) as n`;
  const id = await _operate("cancel", {}, { tenant: "quiet" });
  const quiet = await _ended(id);
  expect(quiet).toMatchObject({ status: "done", changed: 600 });
  const [before] = await world.sql`
    select count(*)::int as ended from operations where tenant = 'busy' and ended_at < ${quiet["ended_at"]}`;
  expect(before!["ended"]).toBeLessThan(250);
});

/** Counts the rows of `jobs` that selecting all pages reads. */
async function _select(tenant: string, action: OperationAction, filter: JobSelection) {
  const scope = {
    tenant,
    restrictions: {},
    createdBefore: new Date(Date.now() + 60_000),
    action,
    filter,
  };
  return world.sql.begin(async (sql) => {
    const read = async () => {
      const [row] = await sql`
        select seq_tup_read + idx_tup_fetch as rows from pg_stat_xact_user_tables where relname = 'jobs'`;
      return Number(row!["rows"]);
    };
    const ids: string[] = [];
    const before = await read();
    for (let cursor: string | null = null, isLast = false; !isLast;) {
      const page = await selectJobs(sql, scope, cursor, 250);
      ids.push(...page.ids);
      ({ cursor, isLast } = page);
    }
    return { ids, rows: (await read()) - before };
  });
}

const selections: [OperationAction, JobSelection][] = [
  ["cancel", {}],
  ["cancel", { type: "echo" }],
  ["retry", {}],
  ["retry", { status: "completed" }],
  ["retry", { status: "completed", type: "echo" }],
  ["retry", { status: "cancelled" }],
  ["delete", { reason: "none" }],
  ["cancel", { key: "nobody has it" }],
  ["cancel", { schedule: "none" }],
];

test("no operation reads jobs of other tenants", async () => {
  for (const status of ["pending", "completed", "dead", "cancelled"]) {
    await _fill(5000, status, { tenant: "other" });
  }
  await world.sql`vacuum analyze jobs`;
  for (const [action, filter] of selections) {
    const { ids, rows } = await _select("own", action, filter);
    expect([filter, ids, rows < 10]).toEqual([filter, [], true]);
  }
});

test("completed jobs of all types are selected once each", async () => {
  await _fill(2500, "completed");
  await world.sql`update jobs set type = 'row.import' where get_byte(uuid_send(id), 15) % 3 = 0`;
  const { ids } = await _select("default", "retry", { status: "completed" });
  expect(new Set(ids).size).toBe(2500);
  expect(ids).toHaveLength(2500);
});

test("a job whose key is reserved by a dedup window is found without reading other jobs", async () => {
  await using closing = new AsyncDisposableStack();
  const ledger = openBackgroundLedger(world.databaseUrl);
  closing.defer(() => ledger.close());
  await _fill(5000, "completed");
  const enqueue = () =>
    ledger.run((sql) =>
      sql.begin(async (tx) => {
        const keyPolicy = { type: "once" as const, windowMs: 60_000 };
        const request = { type: "echo" as const, data: { message: "a" }, key: "k", keyPolicy };
        const made = createNewJob(shippedRegistry, request, { tenant: "default" }, undefined);
        if (made.status !== "ok") throw new Error(made.kind);
        const [recorded] = await insertKeyedJobs(tx, [made.job], async () => []);
        const [table] = await tx<{ read: number }[]>`
          select (coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0))::int as read
          from pg_stat_xact_user_tables where relname = 'jobs'`;
        return { status: recorded!.status, rowsRead: table!.read };
      }),
    );
  expect(await enqueue()).toMatchObject({ status: "created" });
  await world.sql`analyze jobs, dedup_windows`;

  const { status, rowsRead } = await enqueue();

  expect(status).toBe("duplicate");
  expect(rowsRead).toBeLessThan(100);
});

test("every connection to Postgres has a timeout for idle transactions", async () => {
  for (const open of [openLedger, openBackgroundLedger]) {
    const ledger = open(world.databaseUrl);
    const [row] = await ledger.run(
      (sql) => sql`select current_setting('idle_in_transaction_session_timeout') as limit`,
    );
    expect(row).toEqual({ limit: "10s" });
    await ledger.close();
  }
});

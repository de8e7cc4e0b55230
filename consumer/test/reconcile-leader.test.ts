import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { createRedisEpoch } from "../src/reconciler/redis-epoch.ts";
import { startRedis } from "../../ops/dev/stores/redis.ts";
import {
  _openWorld,
  _dispatch,
  _noteUndispatched,
  _record,
  _spyInspections,
  _startReconciler,
  _until,
  type _World,
} from "./_reconcile.ts";
import { _startProxy } from "./_world.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => world.clear());

const _holders = () =>
  world.sql<{ pid: number }[]>`
    select pid from pg_locks join pg_database on pg_database.oid = database
    where locktype = 'advisory' and granted and datname = current_database()`;

test("one of two reconcilers leads, and the other takes over when the leader's connection is lost", async () => {
  await using first = await _startReconciler(world);
  await first.waitForPass("leading");
  await using second = await _startReconciler(world);
  const [leader] = await _holders();

  await world.sql`select pg_terminate_backend(${leader!.pid})`;

  await _until(() => first.reports.length + second.reports.length > 1);
  const holders = await _holders();
  expect(holders).toHaveLength(1);
  expect(holders[0]!.pid).not.toBe(leader!.pid);
});

test("a frozen leader loses the lock, and another consumer leads", async () => {
  await using proxy = await _startProxy(world.url);
  await using frozen = await _startReconciler(world, {
    openLeaderClient: (options) => world.openLeaderClient(options, proxy.url),
    sessionMs: 200,
  });
  await frozen.waitForPass("leading");
  await using other = await _startReconciler(world);
  const [leader] = await _holders();

  proxy.freeze();
  await _record(world, 3);
  frozen.reconciler.wake("flushed");

  expect(await other.waitForPass("leading")).toMatchObject({ redispatched: 3 });
  proxy.thaw();
  await other.pass();
  const holders = await _holders();
  expect(holders).toHaveLength(1);
  expect(holders[0]!.pid).not.toBe(leader!.pid);
  expect(frozen.reports).toHaveLength(1);
});

test("a leader without work keeps the lock", async () => {
  await using leading = await _startReconciler(world, { sessionMs: 100 });
  await leading.waitForPass("leading");
  const [leader] = await _holders();
  await using other = await _startReconciler(world, { sessionMs: 100 });

  // The leader's statements span twice the time a session may be silent.
  const [{ start } = {}] = await world.sql`select clock_timestamp() as start`;
  await _until(async () => {
    const [used] = await world.sql`select from pg_stat_activity
      where pid = ${leader!.pid} and query_start > ${start}::timestamptz + interval '200 ms'`;
    return used !== undefined;
  });

  expect([...(await _holders())]).toEqual([leader!]);
  expect(other.reports).toEqual([]);
});

test("a follower makes no pass, and leads as soon as the leader closes", async () => {
  await using first = await _startReconciler(world);
  await first.waitForPass("leading");
  await using second = await _startReconciler(world);
  second.reconciler.wake("flushed");
  await first.pass();
  expect(second.reports).toEqual([]);

  await first.reconciler.close();

  expect(await second.waitForPass("flushed")).toMatchObject({ checked: 0 });
});

test("the next leader first dispatches jobs that never were, then continues where the last leader stopped", async () => {
  const ids = await _record(world, 20);
  const pages = [0, 5, 10, 15].map((start) => ids.slice(start, start + 5));
  const dispatched: string[][] = [];
  const reached = Promise.withResolvers<void>();
  await using killed = await _startReconciler(world, {
    pageSize: 5,
    async dispatch(queue, jobs) {
      if (dispatched.length === 1) {
        reached.resolve();
        await new Promise(() => {});
      }
      dispatched.push(jobs.map(({ bullId }) => bullId));
      await world.dispatch(queue, jobs);
    },
  });
  await reached.promise;
  const noted = await _record(world, 3);
  await _noteUndispatched(world, noted);
  const inspected: string[][] = [];
  await using next = await _startReconciler(world, {
    redis: _spyInspections(world, (page) => inspected.push(page)),
    pageSize: 5,
    async dispatch(queue, jobs) {
      dispatched.push(jobs.map(({ bullId }) => bullId));
      await world.dispatch(queue, jobs);
    },
  });

  await killed.reconciler.close();

  const report = await next.waitForPass("leading");
  const [first, ...others] = pages;
  expect(dispatched).toEqual([first!, noted, ...others]);
  expect(inspected).toEqual([noted, ...others, noted, first!]);
  expect(report).toMatchObject({ checked: 23, redispatched: 15 });
  expect(await next.pass()).toMatchObject({ checked: 23, redispatched: 0 });
  expect(inspected.slice(6, 8)).toEqual([first!, pages[1]!]);
});

test("a pass ends when the leader's connection is lost, and the leader takes over again", async () => {
  await _record(world, 20);
  let dispatches = 0;
  await using reconciling = await _startReconciler(world, {
    pageSize: 5,
    async dispatch(queue, jobs) {
      const [leader] = await _holders();
      dispatches += 1;
      if (dispatches === 2) {
        await world.sql`select pg_terminate_backend(${leader!.pid})`;
        await _until(async () => (await _holders()).length === 0);
      }
      await world.dispatch(queue, jobs);
    },
  });

  expect(await reconciling.waitForPass("leading")).toMatchObject({ checked: 20, redispatched: 10 });
  expect(dispatches).toBe(4);
});

test("a wake during a pass causes one more pass right after it", async () => {
  await _record(world, 1);
  const gate = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  await using reconciling = await _startReconciler(world, {
    async dispatch(queue, jobs) {
      reached.resolve();
      await gate.promise;
      await world.dispatch(queue, jobs);
    },
  });
  await reached.promise;

  reconciling.reconciler.wake("restarted");
  reconciling.reconciler.wake("flushed");
  gate.resolve();

  await reconciling.waitForPass("flushed");
  await reconciling.pass();
  expect(reconciling.reports.map((report) => report.reason).slice(0, 2)).toEqual([
    "leading",
    "flushed",
  ]);
  expect(reconciling.reports).toHaveLength(3);
});

test("a failed pass is logged, and the next pass does the work", async () => {
  await _record(world, 3);
  await world.sql`alter table jobs rename to jobs_away`;
  let failures = 0;
  const onPassFailed = () => (failures += 1);
  await using reconciling = await _startReconciler(world, { onPassFailed });
  await _until(() => failures > 0);
  expect(reconciling.problems).not.toBeEmpty();
  await world.sql`alter table jobs_away rename to jobs`;

  expect(await reconciling.pass()).toMatchObject({ redispatched: 3 });
});

test("a reconciler closes between two pages, and before it was started", async () => {
  await _record(world, 50);
  const reached = Promise.withResolvers<void>();
  await using reconciling = await _startReconciler(world, {
    pageSize: 1,
    async dispatch(queue, jobs) {
      await world.dispatch(queue, jobs);
      reached.resolve();
    },
  });
  await reached.promise;
  await reconciling.reconciler.close();

  expect(await _holders()).toHaveLength(0);
  expect(await world.redis.llen(world.keys().wait)).toBeLessThan(50);
  await reconciling.reconciler.close();
});

test("a reconciler closes although a settlement waits for Postgres", async () => {
  const [id] = await _record(world, 1);
  await world.redis.hset(`${world.keys().base}${id}`, { finishedOn: 1, returnvalue: "1" });
  const reached = Promise.withResolvers<void>();
  const never = Promise.withResolvers<never>();
  await using reconciling = await _startReconciler(world, {
    settler: {
      settle() {
        reached.resolve();
        return never.promise;
      },
    },
  });
  await reached.promise;

  await reconciling.reconciler.close();

  expect(await _holders()).toHaveLength(0);
});

test("a reconciler waits while Redis is unavailable, and re-dispatches all jobs when Redis returns without its data", async () => {
  await using world = await _openWorld();
  const ids = await _record(world, 100);
  await _dispatch(world, ids);
  await using reconciling = await _startReconciler(world);
  await reconciling.waitForPass("leading");
  await using closing = new AsyncDisposableStack();
  const epoch = createRedisEpoch({
    redis: world.redis,
    prefix: world.prefix,
    queues: ["echo"],
    everyMs: 20,
    log: { warn() {} },
    onDataLoss: (reason) => reconciling.reconciler.wake(reason),
  });
  closing.defer(() => epoch.close());
  await _until(() => epoch.changedAt < Date.now() - 1);

  await world.server.child.stop({ atOnce: true });
  await _until(() => world.redis.status !== "ready");
  reconciling.reconciler.wake("while Redis is unavailable");
  await using server = await startRedis({ dir: world.dir, port: world.server.port });

  expect(server.port).toBe(world.server.port);
  expect(await reconciling.waitForPass("flushed")).toMatchObject({ redispatched: 100 });
  expect(await world.redis.llen(world.keys().wait)).toBe(100);
  expect(reconciling.reports.map((report) => report.reason)).not.toContain(
    "while Redis is unavailable",
  );
});

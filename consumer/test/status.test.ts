import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  _freePort,
  _openWorld,
  _startConsumer,
  _startProxy,
  _until,
  type _World,
} from "./_world.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

test("the status server reports readiness, and metrics of attempts", async () => {
  await using postgres = await _startProxy(world.databaseUrl);
  await using redis = await _startProxy(world.redisUrl);
  await using consumer = await _startConsumer(
    { ...world, databaseUrl: postgres.url, redisUrl: redis.url },
    { env: { METRICS_PORT: String(await _freePort()) } },
  );
  const get = (path: string) => fetch(`http://127.0.0.1:${consumer.statusPort}${path}`);
  const readyz = async () => {
    const response = await get("/readyz");
    return { status: response.status, body: await response.json() };
  };
  const until = (status: number) =>
    _until(async () => {
      const answer = await readyz();
      return answer.status === status && answer;
    });
  await until(200);

  postgres.disconnect();
  expect((await until(503)).body).toMatchObject({ redis: true, postgres: false });
  expect((await get("/livez")).status).toBe(200);
  postgres.reconnect();
  expect((await until(200)).body).toEqual({ workers: true, redis: true, postgres: true });
  redis.disconnect();
  expect((await until(503)).body).toMatchObject({ redis: false, postgres: true });
  redis.reconnect();
  await until(200);

  // Due an hour ago, and retried once.
  const times = { timestamp: Date.now() - 7_200_000, delayMs: 3_600_000 };
  const data = { message: "hello", failures: 1 };
  const { id } = await world.accept(
    { type: "echo", data, attempts: 2, backoff: { type: "fixed", delay: 1 } },
    times,
  );
  await world.waitForEnd(id);
  await world.waitUntilRemoved(id);
  const metrics = await (await get("/metrics")).text();
  expect(metrics).toContain(
    'bullmq_jobs_processed_total{queue="default",type="echo",outcome="completed"} 1',
  );
  const labels = 'queue="default",type="echo"';
  for (const [name, count] of [
    ["wait", 1],
    ["run", 2],
    ["settle", 2],
    ["total", 1],
  ] as const) {
    expect(metrics).toContain(`toril_job_${name}_seconds_count{${labels}} ${count}`);
  }
  for (const line of [
    `toril_job_total_seconds_bucket{le="1800",${labels}} 0`,
    `toril_job_total_seconds_bucket{le="7200",${labels}} 1`,
    "toril_settle_batch_jobs_count 1",
    'toril_ledger_write_seconds_count{operation="settle"} 1',
    'toril_jobs_stalled_total{queue="imports"} 0',
    'bullmq_jobs_processed_total{queue="feeds",type="feed.fetch",outcome="dead"} 0',
    "toril_jobs_active 0",
  ]) {
    expect(metrics).toContain(line);
  }
  expect(metrics).toMatch(/^toril_worker_errors_total \d/m);
  expect(metrics).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
  expect((await get("/")).status).toBe(404);
});

test("the status server reports metrics of the reconciler while this process leads", async () => {
  const { id } = await world.record({ type: "echo", data: { message: "p" }, delayMs: 3_600_000 });
  const child = await world.record({ type: "echo", data: { message: "c" }, delayMs: 3_600_000 });
  await world.sql`
    update jobs set waiting_children = true, created_at = now() - interval '1 h' where id = ${id}`;
  await world.sql`
    update jobs set parent_id = ${id}, on_failure = 'failParentOnFailure' where id = ${child.id}`;
  await using postgres = await _startProxy(world.databaseUrl);
  await using consumer = await _startConsumer(
    { ...world, databaseUrl: postgres.url },
    { env: { METRICS_PORT: String(await _freePort()), RECONCILE_GRACE_MS: "0" } },
  );
  const metrics = async () =>
    (await fetch(`http://127.0.0.1:${consumer.statusPort}/metrics`)).text();
  const until = (line: RegExp) => _until(async () => line.test(await metrics()));
  await until(/^toril_reconciler_leading 1$/m);
  await until(/^toril_reconcile_pass_seconds_count [1-9]/m);
  await until(/^toril_graph_waiting_parents 1$/m);
  const leading = await metrics();
  expect(leading).toMatch(/^toril_ledger_pending_jobs \d+$/m);
  expect(leading).toMatch(/^toril_reconciled_jobs_total\{action="redispatched"\} \d+$/m);
  expect(leading).toMatch(/^toril_reconcile_last_pass_timestamp_seconds \d/m);
  const [, age] = /^toril_graph_oldest_seconds (\S+)$/m.exec(leading) ?? [];
  expect(Number(age)).toBeWithin(3600, 7200);

  postgres.disconnect();
  await until(/^toril_reconciler_leading 0$/m);
  expect(await metrics()).not.toMatch(/^toril_(ledger_pending_jobs|graph_\w+) \d/m);
  postgres.reconnect();
  await until(/^toril_reconciler_leading 1$/m);
});

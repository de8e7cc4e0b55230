import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { _openWorld, _startConsumer, _startProxy, _until, type _World } from "./_world.ts";

setDefaultTimeout(30_000);

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

async function _freePort() {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

test("the status server says whether the consumer works, and counts what it did", async () => {
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

  postgres.cut();
  expect((await until(503)).body).toMatchObject({ redis: true, postgres: false });
  expect((await get("/livez")).status).toBe(200);
  postgres.mend();
  expect((await until(200)).body).toEqual({ workers: true, redis: true, postgres: true });
  redis.cut();
  expect((await until(503)).body).toMatchObject({ redis: false, postgres: true });
  redis.mend();
  await until(200);

  const { id } = await world.accept({ type: "echo", data: { message: "hello" } });
  await world.endOf(id);
  await world.isForgotten(id);
  const metrics = await (await get("/metrics")).text();
  expect(metrics).toContain(
    'bullmq_jobs_processed_total{queue="default",type="echo",outcome="completed"} 1',
  );
  expect(metrics).toContain("toril_settle_batch_size_count 1");
  expect((await get("/")).status).toBe(404);
});

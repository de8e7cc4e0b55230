import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { lockKey } from "@toril/contract/engine/redis/names";
import { _openWorld, _dispatch, _record, _startReconciler, type _World } from "./_reconcile.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => world.clear());

const _waiting = () => world.redis.lrange(world.keys().wait, 0, -1);

/** Records a job of which only the hash is left, behind a sound job. */
async function _recordOrphan() {
  const [orphan, sound] = await _record(world, 2);
  await _dispatch(world, [orphan!, sound!]);
  await world.redis.lrem(world.keys().wait, 1, orphan!);
  return { orphan: orphan!, sound: sound! };
}

test("an orphaned job is re-dispatched once, in the second pass", async () => {
  const { orphan, sound } = await _recordOrphan();
  await world.redis.rpush(`${world.keys().base}${orphan}:logs`, "a line");
  await using reconciling = await _startReconciler(world);

  expect(await reconciling.waitForPass("leading")).toMatchObject({ checked: 2, redispatched: 0 });
  expect(await _waiting()).toEqual([sound]);
  expect(await reconciling.pass()).toMatchObject({ redispatched: 1 });
  expect(await _waiting()).toEqual([orphan, sound]);
  expect(JSON.parse((await world.getHash(orphan))["opts"]!)).toMatchObject({ recovered: true });
  expect(await world.redis.exists(`${world.keys().base}${orphan}:logs`)).toBe(0);
  expect(await reconciling.pass()).toMatchObject({ redispatched: 0 });
  expect(await reconciling.pass()).toMatchObject({ redispatched: 0 });
});

test("a new leader also needs two passes", async () => {
  await _recordOrphan();
  await using first = await _startReconciler(world);
  await first.waitForPass("leading");
  await first.reconciler.close();
  await using second = await _startReconciler(world);

  expect(await second.waitForPass("leading")).toMatchObject({ redispatched: 0 });
  expect(await second.pass()).toMatchObject({ redispatched: 1 });
});

test("a job with a lock, a score or an entry in a list is never re-dispatched", async () => {
  const ids = await _record(world, 6);
  await _dispatch(world, ids);
  await world.redis.del(world.keys().wait);
  const [locked, active, paused, delayed, prioritized, waitingChildren] = ids;
  await world.redis.set(lockKey(world.prefix, "echo", locked!), "token");
  await world.redis.lpush(world.keys().active, active!);
  await world.redis.lpush(world.keys().paused, paused!);
  await world.redis.zadd(world.keys().delayed, 1, delayed!);
  await world.redis.zadd(world.keys().prioritized, 1, prioritized!);
  await world.redis.zadd(`${world.keys().base}waiting-children`, 1, waitingChildren!);
  await using reconciling = await _startReconciler(world);

  expect(await reconciling.waitForPass("leading")).toMatchObject({ checked: 6, redispatched: 0 });
  expect(await reconciling.pass()).toMatchObject({ redispatched: 0 });
  expect(await reconciling.pass()).toMatchObject({ redispatched: 0 });
});

test("a job that is in a list again at the second pass is not re-dispatched", async () => {
  const { orphan, sound } = await _recordOrphan();
  await using reconciling = await _startReconciler(world);

  await reconciling.waitForPass("leading");
  await world.redis.lpush(world.keys().wait, orphan);

  expect(await reconciling.pass()).toMatchObject({ redispatched: 0 });
  expect(await _waiting()).toEqual([orphan, sound]);
});

test("a job that starts between the second inspection and its removal is not re-dispatched", async () => {
  const { orphan } = await _recordOrphan();
  const redis = new Proxy(world.redis, {
    get(target, name) {
      if (name !== "evalsha") return Reflect.get(target, name, target) as unknown;
      return async (sha1: string, count: number, keysAndArguments: string[]) => {
        if (keysAndArguments[count + 1] === "remove") {
          await target.lpush(world.keys().active, orphan);
        }
        return target.evalsha(sha1, count, keysAndArguments);
      };
    },
  });
  await using reconciling = await _startReconciler(world, { redis });

  await reconciling.waitForPass("leading");

  expect(await reconciling.pass()).toMatchObject({ redispatched: 0 });
  expect(await world.getHash(orphan)).toMatchObject({ name: "echo" });
});

test("a new leader that continues in the middle still searches for the oldest jobs", async () => {
  const [orphan, ...sound] = await _record(world, 120);
  await _dispatch(world, [orphan!, ...sound]);
  await world.redis.lrem(world.keys().wait, 0, orphan!);
  await world.sql`insert into reconciler_progress (id, last_id) values (1, ${orphan!})`;
  await using reconciling = await _startReconciler(world);

  expect(await reconciling.waitForPass("leading")).toMatchObject({ checked: 120, redispatched: 0 });
  expect(await reconciling.pass()).toMatchObject({ checked: 120, redispatched: 1 });
});

test("a job that is not due is not searched for in the lists", async () => {
  const [id] = await _record(world, 1, { runAt: new Date(Date.now() + 3_600_000) });
  await _dispatch(world, [id!]);
  await world.redis.del(world.keys().wait);
  await using reconciling = await _startReconciler(world);

  await reconciling.waitForPass("leading");
  expect(await reconciling.pass()).toMatchObject({ redispatched: 0 });
});

test("one job per pass is searched for in a very long list", async () => {
  const ids = await _record(world, 3);
  await _dispatch(world, ids);
  await world.redis.del(world.keys().wait);
  const others = Array.from({ length: 50_000 }, (_, index) => `other-${index}`);
  for (let round = 0; round < 5; round += 1) await world.redis.lpush(world.keys().wait, ...others);
  await using reconciling = await _startReconciler(world);

  await reconciling.waitForPass("leading");

  expect(await reconciling.pass()).toMatchObject({ redispatched: 1 });
  expect(await world.redis.lindex(world.keys().wait, 0)).toBe(ids[0]!);
});

test("old jobs that wait for their retry do not hide an orphaned job", async () => {
  const retried = await _record(world, 600);
  await _dispatch(world, retried);
  await world.redis.del(world.keys().wait);
  await world.redis.zadd(world.keys().delayed, ...retried.flatMap((id) => [1, id]));
  await _recordOrphan();
  await using reconciling = await _startReconciler(world, { pageSize: 50 });

  await reconciling.waitForPass("leading");

  expect(await reconciling.pass()).toMatchObject({ checked: 602, redispatched: 1 });
});

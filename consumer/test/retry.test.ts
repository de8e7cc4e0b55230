import { afterAll, beforeAll, expect, test } from "bun:test";
import { createDispatchGenerations } from "@toril/contract/engine/jobs/change/dispatch-generations";
import { retryJobs } from "@toril/contract/engine/jobs/change/retry";
import { jobKey } from "@toril/contract/engine/redis/names";
import { createDispatch, dispatchScriptUrl } from "@toril/contract/engine/redis/scripts/dispatch";
import { createRemove, removeScriptUrl } from "@toril/contract/engine/redis/scripts/remove";
import { finalStatuses } from "@toril/contract/api/jobs/job-states";
import { _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
let consumer: Awaited<ReturnType<typeof _startConsumer>>;
const starts: string[] = [];
let isFailing = true;

beforeAll(async () => {
  world = await _openWorld();
  consumer = await _startConsumer(world, {
    handlers: {
      async echo({ message }, { id, attempt }) {
        starts.push(`${id} ${attempt}`);
        if (isFailing) throw new Error("not yet");
        return { message };
      },
    },
  });
});
afterAll(async () => {
  await consumer[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

async function _retry(id: string) {
  const [dispatchScript, remove] = await Promise.all([
    Bun.file(dispatchScriptUrl).text(),
    Bun.file(removeScriptUrl).text(),
  ]);
  const { redis, prefix, sql } = world;
  const placeRuns = createDispatchGenerations({
    ledger: { run: (work) => work(sql) },
    dispatch: createDispatch(redis, { prefix, script: dispatchScript }),
    remove: createRemove(redis, { prefix, script: remove }),
  });
  await placeRuns(await retryJobs(sql, [id], { statuses: finalStatuses, quotaKey: undefined }));
}

test("a retried dead job has all its attempts again, is dead again, and completes after another retry", async () => {
  const { failed } = world.keys();
  const { id } = await world.accept({
    type: "echo",
    data: { message: "a" },
    attempts: 2,
    backoff: { type: "fixed", delay: 10 },
  });
  for (const [bullId, again] of [
    [id, `${id}-1`],
    [`${id}-1`, `${id}-2`],
  ] as const) {
    expect(await world.waitForEnd(id)).toMatchObject({ status: "dead", attempts: 2 });
    // Bull Board shows the failed set.
    await _until(async () => (await world.redis.zscore(failed, bullId)) !== null);
    isFailing = again === `${id}-1`;
    await _retry(id);
    expect(await world.redis.exists(jobKey(world.prefix, "default", bullId))).toBe(0);
    expect(await world.redis.zscore(failed, bullId)).toBeNull();
  }

  expect(await world.waitForEnd(id)).toMatchObject({
    status: "completed",
    generation: 2,
    attempts: 1,
    history: [
      { generation: 0, status: "dead", attempts: 2, error: { message: "not yet" } },
      { generation: 1, status: "dead", attempts: 2, error: { message: "not yet" } },
    ],
  });
  expect(starts).toEqual([1, 2, 1, 2, 1].map((attempt) => `${id} ${attempt}`));
});

test("a completed job keeps its result in its history", async () => {
  const { id } = await world.accept({ type: "echo", data: { message: "b" } });
  await world.waitForEnd(id);
  await world.waitUntilRemoved(id);

  await _retry(id);

  expect(await world.waitForEnd(id)).toMatchObject({
    status: "completed",
    generation: 1,
    result: { message: "b" },
    history: [{ generation: 0, status: "completed", result: { message: "b" }, error: null }],
  });
});

import { epochKey } from "@toril/contract/engine/redis/names";
import { expect, test } from "bun:test";

import { getJobId } from "./_api.ts";
import { allCompleted, findMissingJobs, countsIfSettled } from "./_ledger.ts";
import { startLoad } from "./_load.ts";
import { startCluster, startSentinels } from "../dev/redis-fleet.ts";
import type { RedisProcess } from "../dev/redis-process.ts";
import { startStack, type Stack } from "./_stack.ts";

/** A Sentinel that finds its own clock to have stood still, as on a machine that has too much to do, rests for 30 s. */
const failOverMs = 90_000;

test.each([
  ["dies", "SIGKILL", false],
  ["hangs", "SIGSTOP", false],
  // Clients hear of the next master from the other Sentinels while they ask this one.
  ["dies while a Sentinel hangs", "SIGKILL", true],
] as const)(
  "behind Sentinels a master that %s under load costs no accepted job, and jobs are placed on the next one",
  async (_, signal, sentinelHangs) => {
    await using redis = await startSentinels("toril");
    await using stack = await startStack({ env: redis.env });
    if (sentinelHangs) await redis.sentinels[0]!.kill("SIGSTOP");
    await _breakUnderLoad(stack, redis.first, signal);
    expect(await redis.replica.client.info("replication")).toContain("role:master");
  },
);

test("in a Cluster a master that dies under load costs no accepted job, and jobs are placed on the next one", async () => {
  await using redis = await startCluster();
  await using stack = await startStack({ env: redis.env });
  await _breakUnderLoad(stack, await redis.masterOf(epochKey("bull", "default")), "SIGKILL");
  const board = await fetch(`${stack.producers[0]!.url}/admin/queues/api/queues`);
  expect([board.status, await board.text()]).toEqual([200, expect.stringContaining("{imports}")]);
});

async function _breakUnderLoad(stack: Stack, master: RedisProcess, signal: "SIGKILL" | "SIGSTOP") {
  const { sql, until } = stack;
  const [producer] = stack.producers;
  const load = startLoad(producer!.url, 2);
  await until("jobs are placed", async () => load.count(201) >= 200 || undefined);
  await master.kill(signal);
  await until("it is missed", async () => load.count(202) >= 20 || undefined);
  const before = load.count(201);
  const areAgain = async () => load.count(201) >= before + 200 || undefined;
  await until("jobs are placed again", areAgain, failOverMs);
  const last = load.answers.length;
  await until("all of them", async () => load.answers.length >= last + 200 || undefined);
  await load.stop();

  expect(load.answers.filter(({ status }) => status !== 201 && status !== 202)).toEqual([]);
  expect(load.answers.slice(last).every(({ status }) => status === 201)).toBe(true);
  const ids = load.answers.map(getJobId);
  expect(await findMissingJobs(sql, ids)).toEqual([]);
  const counts = await until("every job has ended", () => countsIfSettled(sql));
  expect(counts).toEqual(allCompleted(ids.length));
}

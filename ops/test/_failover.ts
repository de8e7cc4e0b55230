import { expect } from "bun:test";

import { getJobId } from "./_api.ts";
import { allCompleted, findMissingJobs, countsIfSettled } from "./_ledger.ts";
import { startLoad } from "./_load.ts";
import type { RedisProcess } from "../dev/stores/redis-process.ts";
import type { Stack } from "./_stack.ts";

/** A Sentinel that was not scheduled for 2 s, as on an overloaded machine, pauses for 30 s (TILT mode). */
const failoverMs = 90_000;

/** Breaks a master under load, and expects that no accepted job is lost and that jobs are dispatched again. */
export async function breakUnderLoad(
  stack: Stack,
  master: RedisProcess,
  replicas: readonly RedisProcess[],
  signal: "SIGKILL" | "SIGSTOP",
) {
  const { sql, until } = stack;
  const [producer] = stack.producers;
  const load = startLoad(producer!.url, 2);
  await until("jobs are dispatched", async () => load.count(201) >= 200 || undefined);
  await master.kill(signal);
  const isPromoted = async () => {
    const roles = await Promise.all(replicas.map(({ client }) => client.info("replication")));
    return roles.some((role) => role.includes("role:master")) || undefined;
  };
  await until("a replica is promoted", isPromoted, failoverMs);
  const before = load.count(201);
  const areDispatched = async () => load.count(201) >= before + 200 || undefined;
  await until("jobs are dispatched again", areDispatched, failoverMs);
  const last = load.answers.length;
  await until(
    "all jobs are dispatched",
    async () => load.answers.length >= last + 200 || undefined,
  );
  await load.stop();

  expect(load.answers.filter(({ status }) => status !== 201 && status !== 202)).toEqual([]);
  expect(load.answers.slice(last).every(({ status }) => status === 201)).toBe(true);
  const ids = load.answers.map(getJobId);
  expect(await findMissingJobs(sql, ids)).toEqual([]);
  const counts = await until("every job has ended", () => countsIfSettled(sql));
  expect(counts).toEqual(allCompleted(ids.length));
}

import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Client, createClient, TorilError } from "@toril/client";
import { queueKeys } from "@toril/contract/engine/redis/names";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";

import { findMissingJobs } from "./_ledger.ts";
import type { RestartableProcess } from "../dev/processes/restartable.ts";
import { startStack } from "./_stack.ts";

let stack: Awaited<ReturnType<typeof startStack>>;

beforeAll(async () => {
  stack = await startStack({ producers: 2, consumers: 2 });
  await stack.sql.unsafe(`
    create table test_steps (was text, now text, runs int);
    create function test_note_step() returns trigger language plpgsql as
      'begin insert into test_steps values (old.status, new.status, new.generation - old.generation); return null; end';
    create trigger test_step after update on jobs for each row
      when (old.status <> new.status or old.generation <> new.generation) execute function test_note_step();`);
});
afterAll(() => stack[Symbol.asyncDispose]());

const below = (count: number) => Math.floor(Math.random() * count);
const oneOf = <const T>(list: readonly [T, ...T[]]): T => list[below(list.length)] ?? list[0];
const label = () => oneOf(["a", "b", "c"]);

function _request(): JobRequest {
  const job: JobRequest = {
    type: "echo",
    data: { message: "a", sleepMs: oneOf([0, 0, 5, 50, 200]), failures: oneOf([0, 0, 1, 3]) },
    attempts: oneOf([1, 2, 3]),
    backoff: { type: "fixed", delay: oneOf([1, 30]) },
    labels: [label()],
  };
  return oneOf<JobRequest>([
    job,
    { ...job, priority: 1 + below(5) },
    { ...job, order: "lifo" },
    { ...job, delayMs: below(400) },
    { ...job, key: `k${below(15)}` },
    { ...job, key: `k${below(15)}`, keyPolicy: { type: "replace" } },
    { ...job, expiresAt: new Date(Date.now() + 300 + below(1000)).toISOString() },
  ]);
}

/** An action on one of the producers; repeated entries are drawn more often. */
type Action = (client: Client, id: string) => Promise<unknown>;

const actions: readonly [Action, ...Action[]] = [
  (client, id) => client.cancelJob(id),
  (client, id) => client.cancelJob(id),
  (client, id) => client.retryJob(id),
  (client, id) => client.retryJob(id),
  (client, id) => client.promoteJob(id),
  (client, id) => client.changeJob(id, "*", { priority: 1 + below(9) }),
  (client, id) => client.changeJob(id, "*", { delayMs: below(300) }),
  (client, id) => client.redriveDeadLetter(id),
  (client) => client.drainQueue("default", { delayed: oneOf([true, false]) }),
  (client) => client.cleanQueue("default", { state: "failed", olderThanMs: 0 }),
  (client) => client.pauseQueue("default"),
  (client) => client.resumeQueue("default"),
  (client) => {
    const action = oneOf(["cancel", "retry", "promote"]);
    return client.createOperation({ action, filter: { label: label() } });
  },
];

/** Returns the result; undefined if the request was refused or its process was killed. */
async function _attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof TorilError && error.problem.status === 500) throw error;
    return undefined;
  }
}

test("concurrent changes by many clients, with killed processes, lose no job and cause no invalid transition", async () => {
  const { sql, redisClient, producers, consumers, until } = stack;
  const createClientAt = (at: number) =>
    createClient({ baseUrl: producers[at]!.url, retry: false });
  const clients = [createClientAt(0), createClientAt(1)] as const;
  const ids: string[] = [];

  async function drive(count: number) {
    for (let done = 0; done < count; done += 1) {
      const made = await _attempt(() => oneOf(clients).createJob(_request()));
      if (made !== undefined) ids.push(made.id);
      const id = ids.at(-1 - below(Math.min(40, ids.length)));
      if (id !== undefined) await _attempt(() => oneOf(actions)(oneOf(clients), id));
    }
  }
  const drivers = (count: number) => Promise.all(Array.from({ length: 10 }, () => drive(count)));
  async function driveThroughCrash({ kill, restart }: RestartableProcess) {
    const goal = ids.length + 50;
    const driving = drivers(30);
    await until("the clients continue", async () => ids.length >= goal || undefined);
    await kill("SIGKILL");
    await restart();
    await driving;
  }
  await clients[0].changeQueue("default", { concurrency: 90 });
  await driveThroughCrash(consumers[0]!);
  await driveThroughCrash(stack.redis);
  // The drivers may have finished before Redis was back.
  await drivers(20);

  await until("the clients continue", () => _attempt(() => clients[0].resumeQueue("default")));
  await until("operations end", async () => {
    const open = await sql`select from operations where status in ('pending', 'running')`;
    return open.length === 0 || undefined;
  });
  await until("all jobs end", async () => {
    const pending = await sql`select from jobs where status = 'pending'`;
    return pending.length === 0 || undefined;
  });
  expect(await findMissingJobs(sql, ids)).toEqual([]);
  const wrong = await sql`
    select * from test_steps where not (
      was = 'pending' and now <> 'pending' and runs = 0 or was <> 'pending' and now = 'pending' and runs = 1)`;
  expect([...wrong]).toEqual([]);

  const keys = queueKeys("bull", "default");
  expect(await redisClient.hget(keys.meta, "concurrency")).toBe("90");
  await until("Redis holds dead jobs only", async () => {
    const failed = await redisClient.zrange(keys.failed, 0, "-1");
    const dead = await sql<{ id: string }[]>`select id from jobs where status = 'dead'`;
    const deadIds = new Set(dead.map(({ id }) => id));
    const hashes = await redisClient.keys(`${keys.base}0*`);
    const areOver = failed.every((id) => deadIds.has(id.slice(0, 36)));
    return (hashes.length === failed.length && areOver) || undefined;
  });
});

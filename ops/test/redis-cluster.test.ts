import { epochKey } from "@toril/contract/engine/redis/names";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo } from "./_api.ts";
import { breakUnderLoad } from "./_failover.ts";
import { deleteJobs } from "./_ledger.ts";
import { createPullWorker } from "./_pull-worker.ts";
import { startCluster } from "../dev/stores/redis-fleet.ts";
import { startStack } from "./_stack.ts";

const hour = 3_600_000;
const open = new AsyncDisposableStack();
let redis: Awaited<ReturnType<typeof startCluster>>;
let stack: Awaited<ReturnType<typeof startStack>>;

beforeAll(async () => {
  redis = open.use(await startCluster());
  stack = open.use(await startStack({ env: redis.env }));
});
afterAll(() => open.disposeAsync());

const later = (more = {}) => stack.client.createJob({ ...echo("later"), delayMs: hour, ...more });
const getStatus = async (id: string) => (await stack.client.getJob(id)).status;
const ends = (id: string, status: string) =>
  stack.until(`it is ${status}`, async () => (await getStatus(id)) === status || undefined);

test("in a Cluster, jobs can be cancelled, promoted, retried, replaced and rescheduled", async () => {
  const { client, until } = stack;
  const running = await client.createJob(echo("sleeps", { sleepMs: 60_000 }));
  await until("the job is active", async () => {
    return (await client.getJob(running.id)).state === "active" || undefined;
  });
  expect((await client.cancelJob(running.id)).status).toBe("cancelled");
  await until("the worker aborts it", async () => {
    return (await client.getQueue("default")).counts.active === 0 || undefined;
  });

  const promoted = await later();
  await client.promoteJob(promoted.id);
  await ends(promoted.id, "completed");
  await client.retryJob(promoted.id);
  await ends(promoted.id, "completed");

  const failing = await client.createJob({ ...echo("fails", { failures: 9 }), attempts: 1 });
  await ends(failing.id, "dead");
  await client.redriveDeadLetter(failing.id);
  await until("the job is dead again", async () => {
    return (await client.getJob(failing.id)).history.length === 1 || undefined;
  });

  await client.pauseQueue("default");
  const first = await client.createJob({ ...echo("first"), key: "k" });
  const keyPolicy = { type: "replace" as const };
  const second = await client.createJob({ ...echo("second"), key: "k", keyPolicy });
  expect(second.replaced).toBe(first.id);
  const changed = await client.changeJob(second.id, "*", { priority: 3 });
  expect(changed.state).toBe("prioritized");
  expect((await client.drainQueue("default")).cancelled).toBe(1);
  expect(await getStatus(second.id)).toBe("cancelled");
  await client.resumeQueue("default");
  const moved = await later();
  await client.changeJob(moved.id, "*", { delayMs: 0 });
  await ends(moved.id, "completed");
});

test("in a Cluster, queues can be drained, cleaned and limited", async () => {
  const { client } = stack;
  const delayed = await later();
  expect((await client.drainQueue("default")).cancelled).toBe(0);
  expect((await client.drainQueue("default", { delayed: true })).cancelled).toBe(1);
  expect(await getStatus(delayed.id)).toBe("cancelled");

  const dead = await client.createJob({ ...echo("fails", { failures: 9 }), attempts: 1 });
  await ends(dead.id, "dead");
  const failed = { state: "failed", olderThanMs: 0 } as const;
  let removed = 0;
  // The ledger has the end of a job before Redis has.
  await stack.until("the failed jobs are removed", async () => {
    removed += (await client.cleanQueue("default", failed)).removed;
    const { counts } = await client.getQueue("default");
    return (removed > 0 && counts.failed === 0) || undefined;
  });
  expect(await getStatus(dead.id)).toBe("dead");

  const rateLimit = { max: 5, durationMs: 1000 };
  await client.changeQueue("default", { concurrency: 2, rateLimit });
  expect(await client.getQueue("default")).toMatchObject({ concurrency: 2, rateLimit });
  const limited = await client.createJob(echo("limited"));
  await ends(limited.id, "completed");
  await client.changeQueue("default", { concurrency: null, rateLimit: null });
});

test("in a Cluster, operations promote, retry, cancel and delete many jobs", async () => {
  const { client, until } = stack;
  const ids = await Promise.all([0, 1, 2].map(async () => (await later({ labels: ["many"] })).id));
  const label = "many";
  const operate = async (action: "promote" | "retry" | "cancel" | "delete", filter = {}) => {
    const { id } = await client.createOperation({ action, filter: { label, ...filter } });
    return until("the operation is done", async () => {
      const operation = await client.getOperation(id);
      return operation.status === "done" ? operation.counts : undefined;
    });
  };
  expect(await operate("promote")).toMatchObject({ changed: 3 });
  for (const id of ids) await ends(id, "completed");
  expect(await operate("retry", { status: "completed" })).toMatchObject({ changed: 3 });
  for (const id of ids) await ends(id, "completed");
  const [first] = await Promise.all([later({ labels: ["many"] }), later({ labels: ["many"] })]);
  expect(await operate("cancel")).toMatchObject({ changed: 2 });
  expect(await getStatus(first.id)).toBe("cancelled");
  const dying = { ...echo("fails", { failures: 9 }), attempts: 1, labels: ["many"] };
  const { id } = await client.createJob(dying);
  await ends(id, "dead");
  expect(await operate("delete")).toMatchObject({ changed: 1 });
  expect((await client.listDeadLetters({ label })).items).toEqual([]);
});

test("in a Cluster, HTTP workers take from queues on different nodes, and get jobs whose leases expire again", async () => {
  const { client } = stack;
  const types = ["pull.a", "pull.b", "pull.c"];
  for (const type of types) await client.putJobType(type, { data: { type: "object" } });
  const pull = createPullWorker(stack);
  const taking = pull.take({ types, max: 10, waitMs: 60_000 });
  const enqueue = (type: string) => client.createJob({ type, data: { type } }, { wait: 60 });
  const waiting = types.map(enqueue);
  const taken = await taking;
  const take = async (more = {}) =>
    taken.push(...(await pull.take({ types, max: 10, waitMs: 60_000, ...more })));
  while (taken.length < types.length) await take();
  expect(taken.map(({ type }) => type).toSorted()).toEqual(types);

  const [first, second, third] = taken;
  const extended = await pull.extend(first!.id, first!.lease);
  expect(extended).toMatchObject({ leaseUntil: expect.any(String) });
  const completed = { outcome: "completed", result: 1 };
  expect(await pull.finish(first!.id, first!.lease, completed)).toMatchObject({
    outcome: "settled",
  });
  const released = await pull.finish(second!.id, second!.lease, { outcome: "released" });
  expect(released).toMatchObject({ job: "released" });
  await take({ leaseMs: 1000 });
  // Nobody finishes this attempt: the lease expires, and the job returns.
  await take();
  expect(taken.slice(3).map(({ id }) => id)).toEqual([second!.id, second!.id]);
  const [lost, current] = taken.slice(3);
  expect(await pull.finish(lost!.id, lost!.lease, completed)).toMatchObject({
    outcome: "lease-lost",
  });
  await pull.finish(current!.id, current!.lease, completed);
  const error = { message: "no" };
  await pull.finish(third!.id, third!.lease, { outcome: "failed", error, retry: false });
  const statuses = (await Promise.all(waiting)).map(({ status }) => status);
  expect(statuses.toSorted()).toEqual(["completed", "completed", "dead"]);
});

test("in a Cluster, a stream contains the events of queues on different nodes", async () => {
  const { client } = stack;
  const leaving = new AbortController();
  const events: { id: string; queue: string; event: string }[] = [];
  const listen = async (lastEventId: string) => {
    for await (const { event, data } of client.followJobs({
      lastEventId,
      signal: leaving.signal,
    })) {
      events.push({ id: "id" in data ? data.id : "", queue: data.queue, event });
    }
  };
  const listening = listen("default:0-0").catch(() => {});
  const { id } = await client.createJob({ type: "echo", data: { message: "a" } });
  await client.createImport("row\n1\n", { type: "row.import" });
  // The stream starts with the events of earlier jobs in the queue `default`.
  const received = () =>
    events
      .filter((each) => each.queue === "imports" || each.id === id)
      .map(({ queue, event }) => `${queue} ${event}`);
  const expected = ["default", "imports"].flatMap((queue) =>
    ["waiting", "active", "completed"].map((event) => `${queue} ${event}`),
  );
  await stack.until(
    "all events arrive",
    async () => received().length >= expected.length || undefined,
  );
  expect(received().toSorted()).toEqual(expected.toSorted());
  leaving.abort();
  await listening;
});

test("in a Cluster, no accepted job is lost when a master is killed under load, and jobs are dispatched to the new master", async () => {
  await deleteJobs(stack.sql);
  const master = await redis.getMaster(epochKey("bull", "default"));
  await breakUnderLoad(stack, master, redis.nodes.slice(3), "SIGKILL");
  const board = await fetch(`${stack.producers[0]!.url}/admin/queues/api/queues`);
  expect([board.status, await board.text()]).toEqual([
    200,
    expect.stringContaining('"name":"imports"'),
  ]);
});

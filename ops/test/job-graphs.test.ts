import { afterAll, beforeAll, expect, test } from "bun:test";
import type { FailurePolicy, GraphChild, JobDetail } from "@toril/client";

import { echo } from "./_api.ts";
import { countJobs } from "./_ledger.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack[Symbol.asyncDispose]());

const ok = (message: string, more: Partial<GraphChild> = {}): GraphChild => ({
  job: echo(message),
  ...more,
});
const dead = (onFailure?: FailurePolicy): GraphChild => ({
  job: { type: "echo", data: { message: "dead", failures: 9 }, attempts: 1 },
  ...(onFailure === undefined ? {} : { onFailure }),
});
const delayed = (message = "delayed"): GraphChild => ({
  job: { ...echo(message), delayMs: 3_600_000 },
});

async function create(...children: GraphChild[]): Promise<string> {
  return (await stack.client.createGraph({ job: echo("root"), children })).id;
}

/** Waits until the job has a status other than pending. */
function ended(id: string): Promise<JobDetail> {
  return stack.until("the job has ended", async () => {
    const job = await stack.client.getJob(id);
    return job.status === "pending" ? undefined : job;
  });
}

test("a graph of 1,000 children survives FLUSHALL and kill -9, and its parent runs once, last", async () => {
  const { client, sql, redisClient, until, consumers } = stack;
  const branches = Array.from({ length: 10 }, (_, branch) =>
    ok(`branch ${branch}`, {
      children: Array.from({ length: 99 }, (_, index) => ok(`${branch}.${index}`)),
    }),
  );
  const { id, jobs } = await client.createGraph({ job: echo("root"), children: branches });
  expect(jobs).toBe(1001);
  const completed = (count: number) => () =>
    countJobs(sql).then((counts) => counts.completed >= count || undefined);
  await until("some jobs are completed", completed(50));
  await consumers[0]!.kill("SIGKILL");
  await redisClient.flushall();
  expect((await client.getJob(id)).state).toBe("waiting-children");
  expect((await countJobs(sql)).pending).toBeGreaterThan(0);
  await consumers[0]!.restart();

  expect(await ended(id)).toMatchObject({ status: "completed", attempts: { made: 1 } });
  expect(await countJobs(sql)).toMatchObject({ completed: 1001, pending: 0, settledTwice: 0 });
  const [order] = await sql<{ isLast: boolean }[]>`
    select bool_and(child.settled_at <= parent.started_at) as "isLast"
    from jobs as child join jobs as parent on parent.id = child.parent_id`;
  expect(order).toEqual({ isLast: true });
  expect((await client.getJob(id)).children).toMatchObject({ total: 10, completed: 10 });
});

test("failParentOnFailure is the default: the parent is dead, and the other children go on", async () => {
  const id = await create(dead(), delayed());
  const root = await ended(id);
  expect(root).toMatchObject({
    status: "dead",
    error: { name: "ChildFailed" },
    attempts: { made: 0 },
  });
  expect(root.children).toMatchObject({ pending: 1, dead: 1 });
});

test("a failure ascends through parents", async () => {
  const id = await create(ok("node", { children: [dead()] }), ok("other"));
  expect(await ended(id)).toMatchObject({ status: "dead", error: { name: "ChildFailed" } });
});

test("continueParentOnFailure starts the parent at once", async () => {
  const id = await create(dead("continueParentOnFailure"), delayed());
  expect((await ended(id)).status).toBe("completed");
  expect((await stack.client.getJob(id)).children).toMatchObject({ pending: 1, dead: 1 });
});

test("ignoreDependencyOnFailure and removeDependencyOnFailure let the parent wait for the others", async () => {
  const { client } = stack;
  const id = await create(
    dead("ignoreDependencyOnFailure"),
    dead("removeDependencyOnFailure"),
    delayed(),
  );
  await stack.until("both failures were handled", async () => {
    const { children } = await client.getJob(id);
    return (children?.total === 2 && children.dead === 1) || undefined;
  });
  expect((await client.getJob(id)).state).toBe("waiting-children");
  const { items } = await client.listChildren(id, { status: "pending" });
  await client.promoteJob(items[0]!.id);
  const root = await ended(id);
  expect(root.status).toBe("completed");
  expect(root.children).toMatchObject({ total: 2, completed: 1, dead: 1 });
});

test("cancelling a parent cancels its pending descendants; a cancelled child counts as failed", async () => {
  const { client } = stack;
  const id = await create(delayed(), ok("node", { children: [delayed("deep")] }));
  const { items } = await client.listChildren(id);
  const node = items.find(({ state }) => state === "waiting-children")!;
  await client.cancelJob(id);
  for (const child of items) expect((await ended(child.id)).status).toBe("cancelled");
  const [deep] = (await client.listChildren(node.id)).items;
  expect((await ended(deep!.id)).status).toBe("cancelled");

  const other = await create(delayed());
  const [child] = (await client.listChildren(other)).items;
  await client.cancelJob(child!.id);
  expect(await ended(other)).toMatchObject({ status: "dead", error: { name: "ChildFailed" } });
});

test("a retried parent waits for its pending children, and a redriven child is waited for", async () => {
  const { client } = stack;
  const id = await create(dead(), delayed());
  await ended(id);
  await client.retryJob(id);
  expect(await client.getJob(id)).toMatchObject({ status: "pending", state: "waiting-children" });
  const { items } = await client.listChildren(id, { status: "pending" });
  await client.promoteJob(items[0]!.id);
  expect(await ended(id)).toMatchObject({
    status: "completed",
    children: { completed: 1, dead: 1 },
  });

  // No child is pending: the parent starts at once.
  await client.retryJob(id);
  expect((await ended(id)).status).toBe("completed");
});

test("a waiting parent expires like any job that did not start, and its children are cancelled", async () => {
  const { client } = stack;
  const { id } = await client.createGraph({
    job: { ...echo("root"), expiresAt: new Date(Date.now() + 500).toISOString() },
    children: [delayed()],
  });
  expect((await ended(id)).status).toBe("expired");
  const [child] = (await client.listChildren(id)).items;
  expect((await ended(child!.id)).status).toBe("cancelled");
});

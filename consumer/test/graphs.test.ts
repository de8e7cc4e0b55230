import { afterAll, beforeAll, expect, test } from "bun:test";
import { insertJobs } from "@toril/contract/engine/jobs/insert/insert-jobs";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { retryJobs } from "@toril/contract/engine/jobs/change/retry";
import { createNewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import type { ChildJob } from "../src/worker/handler.ts";
import { _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

function _make(message: string, changes: Partial<NewJob> = {}): NewJob {
  const request = { type: "echo" as const, data: { message }, attempts: 1 };
  const made = createNewJob(shippedRegistry, request, { tenant: "default" }, undefined);
  if (made.status !== "ok") throw new Error(made.kind);
  return { ...made.job, ...changes };
}

/** Records a job with children, and dispatches the children. */
async function _record(messages: readonly string[]) {
  const parent = _make("parent", { waitsForChildren: true });
  const children = messages.map((message) =>
    _make(message, { parentId: parent.id, onFailure: "ignoreDependencyOnFailure" }),
  );
  await insertJobs(world.sql, [parent, ...children]);
  for (const child of children) await world.dispatchJob(child);
  return { parent, children };
}

test("a handler reads its children with their results, in pages", async () => {
  const read: ChildJob[] = [];
  const counts: unknown[] = [];
  await using consumer = await _startConsumer(world, {
    handlers: {
      async echo({ message }, { children, childCounts }) {
        if (message === "fail") throw new Error("no");
        for await (const child of children()) read.push(child);
        counts.push(await childCounts());
        return { message };
      },
    },
  });
  const { parent, children } = await _record(["a", "fail", "c"]);
  // The pages must not depend on the order of the children's ends.
  const many = Array.from({ length: 600 }, (_, index) =>
    _make(`${index}`, { parentId: parent.id, onFailure: "ignoreDependencyOnFailure" }),
  );
  await insertJobs(world.sql, many);
  await world.sql`
    update jobs set status = 'completed', result = '{"message":"old"}', settled_at = now()
    where id = any(${many.map(({ id }) => id)}::uuid[])`;
  const row = await world.waitForEnd(parent.id);
  expect(row).toMatchObject({ status: "completed" });
  await consumer.close();
  expect(read).toHaveLength(603);
  const total = { total: 603, pending: 0, completed: 602, dead: 1, cancelled: 0, expired: 0 };
  expect(counts).toEqual([null, null, total]);
  expect(new Set(read.map(({ id }) => id)).size).toBe(603);
  const byId = new Map(read.map((child) => [child.id, child]));
  expect(byId.get(children[0]!.id)).toMatchObject({
    type: "echo",
    status: "completed",
    result: { message: "a" },
    error: null,
  });
  expect(byId.get(children[1]!.id)).toMatchObject({ status: "dead", error: { message: "no" } });
});

test("the sweep finds a parent whose last event was lost", async () => {
  const parent = _make("parent", { waitsForChildren: true });
  const child = _make("a", { parentId: parent.id, onFailure: "failParentOnFailure" });
  await insertJobs(world.sql, [parent, child]);
  await world.sql`update jobs set status = 'completed', settled_at = now() where id = ${child.id}`;
  await using consumer = await _startConsumer(world);
  const row = await _until(async () => {
    const found = await world.getRow(parent.id);
    return found?.["status"] === "completed" ? found : undefined;
  });
  expect(row["waiting_children"]).toBe(false);
  await consumer.close();
});

test("the failure of a child before a retry of its parent does not fail the retried parent", async () => {
  const parent = _make("parent", { waitsForChildren: true });
  const children = ["a", "b"].map((message) =>
    _make(message, { parentId: parent.id, onFailure: "failParentOnFailure" }),
  );
  const [failed] = children as [NewJob, NewJob];
  await insertJobs(world.sql, [parent, ...children]);
  const ended = [parent.id, failed.id];
  await world.sql`update jobs set status = 'dead', settled_at = now() where id = any(${ended}::uuid[])`;
  await world.sql`
    insert into graph_events (parent_id, child_id, failure)
    values (${parent.id}, ${failed.id}, 'failParentOnFailure')`;
  const retry = { statuses: ["dead"], quotaKey: undefined } as const;
  expect(await retryJobs(world.sql, ended, retry)).toHaveLength(2);
  await using consumer = await _startConsumer(world);
  for (const child of children) await world.dispatchJob(child, {}, child === failed ? 1 : 0);
  expect(await world.waitForEnd(parent.id)).toMatchObject({ status: "completed", generation: 1 });
  await consumer.close();
});

import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type BulkOptions, type JobDetail, TorilError } from "@toril/client";

import { echo } from "./_api.ts";
import { countJobs } from "./_ledger.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ consumers: 2 });
});
afterAll(() => stack[Symbol.asyncDispose]());

/** Waits until the job has a status other than pending. */
function ended(id: string): Promise<JobDetail> {
  return stack.until("the job has ended", async () => {
    const job = await stack.client.getJob(id);
    return job.status === "pending" ? undefined : job;
  });
}

const then = echo("then");
const dead = { type: "echo", data: { message: "dead", failures: 9 }, attempts: 1 };
const once = { attempts: { made: 1 }, status: "completed", history: [] };

async function createJobs(requests: object[], options: BulkOptions & { idempotencyKey?: string }) {
  return stack.client.createJobs(requests as (typeof then)[], options);
}

/** Sends rows of two columns, message and failures. */
function sendRows(rows: readonly string[], options: { id?: string; idempotencyKey?: string } = {}) {
  const { id, ...write } = options;
  const settings = { type: "echo", options: '{"attempts":1}', then, ...(id && { id }) } as const;
  return stack.client.createImport(`message,failures\n${rows.join("\n")}\n`, settings, write);
}

test("the job after a bulk request runs once, after all ends, although Redis and consumers are lost", async () => {
  const { client, sql, redisClient, consumers } = stack;
  for (const consumer of consumers) await consumer.kill("SIGKILL");
  const before = await countJobs(sql);
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const requests = [
    ...Array.from({ length: 190 }, (_, index) => echo(`${index}`)),
    ...Array.from({ length: 50 }, () => dead),
    ...Array.from({ length: 40 }, () => ({ ...echo("delayed"), delayMs: 3_600_000 })),
    ...Array.from({ length: 20 }, () => ({ ...echo("expires"), expiresAt })),
  ];
  const accepted = await createJobs(requests, { then, idempotencyKey: "batch" });
  const repeated = await createJobs(requests, { then, idempotencyKey: "batch" });
  expect(repeated).toEqual(accepted);
  const id = accepted.then!;
  const delayed = accepted.results.slice(240, 280) as { id: string }[];
  for (const job of delayed.slice(10)) await client.cancelJob(job.id);
  const expiring = accepted.results.slice(280) as { id: string }[];
  await sql`update jobs set expires_at = now() where id = any(${expiring.map((job) => job.id)}::uuid[])`;
  // They are dispatched again with the new time.
  await redisClient.flushall();
  for (const consumer of consumers) await consumer.restart();
  await stack.until("some are completed", async () => {
    const { completed } = await countJobs(sql);
    return completed >= before.completed + 20 || undefined;
  });
  for (const consumer of consumers) await consumer.kill("SIGKILL");
  await redisClient.flushall();
  expect(await client.getJob(id)).toMatchObject({ status: "pending", state: "waiting-children" });
  for (const consumer of consumers) await consumer.restart();
  for (const job of delayed.slice(0, 10)) await client.promoteJob(job.id);

  const job = await ended(id);
  expect(job).toMatchObject(once);
  expect(job.children).toEqual({
    total: 300,
    pending: 0,
    completed: 200,
    dead: 50,
    cancelled: 30,
    expired: 20,
  });
  const [order] = await sql<{ isLast: boolean }[]>`
    select bool_and(child.settled_at <= parent.started_at) as "isLast"
    from jobs as child join jobs as parent on parent.id = child.parent_id where parent.id = ${id}`;
  expect(order).toEqual({ isLast: true });
  expect(await countJobs(sql)).toMatchObject({ pending: 0, settledTwice: 0 });

  // A redriven job does not start it again.
  const { items } = await client.listChildren(id, { status: "dead", limit: 1 });
  await client.retryJob(items[0]!.id);
  await ended(items[0]!.id);
  expect(await client.getJob(id)).toMatchObject(once);
});

test("the job after an import runs once, with the counts of rows and jobs, while consumers and Redis are lost", async () => {
  const { client, redisClient, consumers, sql } = stack;
  const { settledTwice } = await countJobs(sql);
  const rows = Array.from({ length: 1200 }, (_, index) =>
    index % 100 === 0 ? "bad,many" : index % 10 === 0 ? "dead,9" : `${index},0`,
  );
  const imported = await sendRows(rows, { idempotencyKey: "file" });
  const id = imported.then!;
  expect((await sendRows(rows, { idempotencyKey: "file" })).then).toBe(id);
  await consumers[0]!.kill("SIGKILL");
  await redisClient.flushall();
  await consumers[0]!.restart();
  const job = await ended(id);
  expect(job).toMatchObject(once);
  expect(job.children).toEqual({
    total: 1188,
    pending: 0,
    completed: 1080,
    dead: 108,
    cancelled: 0,
    expired: 0,
    import: { id: imported.id, read: 1200, accepted: 1188, duplicate: 0, rejected: 12 },
  });
  expect((await client.listChildren(id, { limit: 3 })).items).toHaveLength(3);
  const [order] = await sql<{ isLast: boolean }[]>`
    select bool_and(jobs.settled_at <= after.started_at) as "isLast"
    from jobs, jobs as after where jobs.import_id = ${imported.id} and after.id = ${id}`;
  expect(order).toEqual({ isLast: true });
  expect(await countJobs(sql)).toMatchObject({ pending: 0, settledTwice });
});

test("it runs although every row or entry was rejected, and waits for a retried job", async () => {
  const { client } = stack;
  const rejected = await sendRows(["bad,many"]);
  expect(rejected.status).toBe("failed");
  const after = await ended(rejected.then!);
  expect(after).toMatchObject(once);
  expect(after.children).toMatchObject({ total: 0, import: { read: 1, rejected: 1 } });
  const bulk = await createJobs([{ type: "echo", data: {} }], { then, atomicity: "partial" });
  expect(bulk.counts.rejected).toBe(1);
  expect((await ended(bulk.then!)).children).toMatchObject({ total: 0 });

  const delayed = { ...echo("delayed"), delayMs: 3_600_000 };
  const { then: waiting, results } = await createJobs([dead, delayed], { then });
  const [first, second] = results as { id: string }[];
  expect((await ended(first!.id)).status).toBe("dead");
  await client.retryJob(first!.id);
  await ended(first!.id);
  expect((await client.getJob(waiting!)).state).toBe("waiting-children");
  // The batch does not depend on the job that waits for it.
  await client.cancelJob(waiting!);
  await client.promoteJob(second!.id);
  expect((await ended(second!.id)).status).toBe("completed");
  expect((await client.getJob(waiting!)).status).toBe("cancelled");
});

test("it is cancelled with its import, and waits again when an interrupted file is sent again", async () => {
  const { client } = stack;
  const { id, then: waiting } = await client.defineImport({ type: "echo", then });
  await client.cancelImport(id);
  expect(await ended(waiting!)).toMatchObject({
    status: "cancelled",
    error: { name: "ImportAborted" },
  });

  const importId = Bun.randomUUIDv7();
  const rows = Array.from({ length: 3000 }, (_, index) => `${index},0`);
  const body = `message,failures\n${rows.join("\n")}\n`;
  const query = new URLSearchParams({
    type: "echo",
    options: '{"attempts":1}',
    id: importId,
    then: JSON.stringify(then),
  });
  const { hostname, port } = new URL(stack.producers[0]!.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `POST /v1/imports?${query.toString()} HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nIdempotency-Key: cut\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body.slice(0, -5000)}`,
  );
  const interrupted = await stack.until("rows are recorded", async () => {
    const found = await client.getImport(importId).catch((error: unknown) => {
      if (error instanceof TorilError && error.problem.status === 404) return undefined;
      throw error;
    });
    return found && found.counts.accepted > 0 ? found : undefined;
  });
  socket.destroy();
  expect(await ended(interrupted.then!)).toMatchObject({ status: "cancelled", history: [] });
  // The key is released soon after the import has failed.
  const imported = await stack.until("the key is released", () =>
    sendRows(rows, { id: importId, idempotencyKey: "cut" }).catch((error: unknown) => {
      if (error instanceof TorilError && error.problem.status === 409) return undefined;
      throw error;
    }),
  );
  expect(imported).toMatchObject({ id: importId, then: interrupted.then });
  const job = await ended(interrupted.then!);
  expect(job.status).toBe("completed");
  expect(job.history).toHaveLength(1);
  expect(job.children).toMatchObject({ completed: 3000, import: { read: 3000 } });
});

import { queueKeys } from "@toril/contract/engine/redis/names";
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { echo } from "./_api.ts";
import { allCompleted, countJobs, countsIfSettled, deleteJobs } from "./_ledger.ts";
import { countAttempts } from "./_metrics.ts";
import { startStack, type Stack } from "./_stack.ts";

const rows = 6000;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterEach(() => deleteJobs(stack.sql));
afterAll(() => stack[Symbol.asyncDispose]());

test("a consumer that was frozen while another one processed its jobs settles none of them again", async () => {
  const { client, sql, redisClient, until } = stack;
  const { active } = queueKeys("bull", "default");
  const frozen = stack.consumers[0]!;

  const jobs = Array.from({ length: 20 }, () => echo("contested", { sleepMs: 1000 }));
  await client.createJobs(jobs);
  await until(
    "the jobs are active",
    async () => (await redisClient.llen(active)) === 20 || undefined,
  );
  await frozen.kill("SIGSTOP");
  const other = await stack.startConsumer();
  expect(await until("the jobs have ended", () => countsIfSettled(sql))).toEqual(allCompleted(20));
  expect(await countAttempts(other, "completed")).toBe(20);

  await frozen.kill("SIGCONT");
  const areSettled = async () =>
    (await countAttempts(frozen, "already-settled")) === 20 || undefined;
  await until("the frozen attempts find their jobs settled", areSettled);
  expect(await countJobs(sql)).toEqual(allCompleted(20));
  await other.kill("SIGKILL");
});

test("an import has every row exactly once after its consumer was killed twice", async () => {
  const { client, sql, redisClient, until } = stack;
  const consumer = stack.consumers[0]!;

  const file = _openFile();
  file.write("number,text\n");
  file.write(_lines(1, rows / 2));
  const importing = client.createImport(file.body, { type: "row.import" });
  const id = await until("the import is created", async () => {
    const [begun] = await sql<{ id: string }[]>`select id from imports`;
    return begun?.id;
  });

  async function killConsumerBeyond(completed: number) {
    await until(`${completed} rows are completed`, async () => {
      const { counts } = await client.getImport(id);
      return counts.completed >= completed || undefined;
    });
    await consumer.kill("SIGKILL");
    expect(await redisClient.llen(queueKeys("bull", "imports").active)).toBeGreaterThan(0);
    expect((await client.getImport(id)).counts.completed).toBeLessThan(rows);
  }

  await killConsumerBeyond(rows / 10);
  file.write(_lines(rows / 2 + 1, rows));
  file.end();
  await consumer.restart();
  await killConsumerBeyond(rows / 2);
  expect(await importing).toMatchObject({ id, counts: { read: rows, accepted: rows } });
  await consumer.restart();

  const done = await until("the import is done", async () => {
    const { status, counts } = await client.getImport(id);
    return status === "running" ? undefined : { status, counts };
  });
  const counts = { read: rows, accepted: rows, completed: rows };
  const none = { duplicate: 0, rejected: 0, dead: 0, cancelled: 0, expired: 0 };
  expect(done).toEqual({ status: "done", counts: { ...counts, ...none } });
  expect(await countJobs(sql)).toEqual(allCompleted(rows));
  const imported = await sql`
    select count(*)::int as all, count(distinct row)::int as rows,
           count(*) filter (where values = jsonb_build_object(
             'number', row::text, 'text', 'row ' || row || ', "quoted"'))::int as verbatim
    from imported_rows where import_id = ${id}`;
  expect([...imported]).toEqual([{ all: rows, rows, verbatim: rows }]);
});

function _lines(from: number, to: number): string {
  const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  return numbers.map((number) => `${number},"row ${number}, ""quoted"""\n`).join("");
}

/** A body that is sent as it is written. */
function _openFile() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  return {
    body: readable,
    write: (text: string) => void writer.write(encoder.encode(text)),
    end: () => void writer.close(),
  };
}

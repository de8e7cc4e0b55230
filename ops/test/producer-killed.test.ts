import { Import } from "@toril/contract/api/import";
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { Sql } from "postgres";

import { echo, getJobId, postJob, type PostResult } from "./_api.ts";
import {
  allCompleted,
  countJobs,
  countsIfSettled,
  deleteJobs,
  findMissingJobs,
} from "./_ledger.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ producers: 2 });
});
afterEach(() => deleteJobs(stack.sql));
afterAll(() => stack[Symbol.asyncDispose]());

test("every job that a killed producer acknowledged is recorded and ends, and repeated requests and files duplicate nothing", async () => {
  const { sql, until } = stack;
  const [doomed, steady] = stack.producers as [
    (typeof stack.producers)[0],
    (typeof stack.producers)[0],
  ];

  const plain = _createLoad(doomed.url);
  const keyed = _createLoad(doomed.url, "keyed");
  const beside = _createLoad(steady.url);
  const loads = [plain, keyed, beside];
  const running = [plain.run(70), keyed.run(70), beside.run(60)];
  await until(
    "every load is answered in waves",
    async () => loads.every(({ answers }) => answers.length >= 500) || undefined,
  );
  await doomed.kill("SIGKILL");
  const before = beside.answers.length;
  await until(
    "the other producer continues",
    async () => beside.answers.length > before + 300 || undefined,
  );
  for (const load of loads) load.stop();
  await Promise.all(running);

  expect(plain.unanswered.length).toBeGreaterThan(0);
  expect(keyed.unanswered.length).toBeGreaterThan(0);
  expect(beside.unanswered).toEqual([]);
  const repeated = await Promise.all(keyed.unanswered.map((send) => send(steady.url)));

  const answers = [...loads.flatMap((load) => load.answers), ...repeated];
  const ids = answers.map(getJobId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(await findMissingJobs(sql, ids)).toEqual([]);
  const counts = await until("every job has ended", () => countsIfSettled(sql));
  expect(counts).toEqual(allCompleted(counts.accepted));
  // Without an Idempotency-Key, the outcome of an unanswered request is unknown.
  expect(counts.accepted).toBeGreaterThanOrEqual(ids.length);
  expect(counts.accepted).toBeLessThanOrEqual(ids.length + plain.unanswered.length);

  await doomed.restart();
  expect((await postJob(doomed.url, echo("again"))).status).toBe(201);

  const row = (number: number) => `${number},${"x".repeat(100)}\n`;
  const rows = Array.from({ length: 6000 }, (_, index) => row(index + 1));
  const upload = (url: string, body: string | ReadableStream<Uint8Array>) =>
    fetch(`${url}/v1/imports?type=row.import`, {
      method: "POST",
      headers: { "Content-Type": "text/csv", "Idempotency-Key": "import" },
      body,
    });
  const readCount = async () =>
    (await sql<{ id: string; read: number }[]>`select id, read from imports`)[0];
  const beginning = new ReadableStream<Uint8Array>({
    start: (sink) => sink.enqueue(new TextEncoder().encode(`a,b\n${rows.slice(0, 4000).join("")}`)),
  });
  const cut = upload(doomed.url, beginning).catch(() => "cut");
  const begun = await until("half of a file is recorded", async () => {
    const found = await readCount();
    return found !== undefined && found.read >= 2000 ? found : undefined;
  });
  const operate = (url: string) =>
    fetch(`${url}/v1/operations`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": "operation" },
      body: JSON.stringify({ action: "cancel", filter: { label: "none" } }),
    });
  const unstored = await _holdResponse(sql, "operation");
  const unanswered = operate(doomed.url).catch(() => "cut");
  const created = await until("an operation is created", async () => {
    const [found] = await sql<{ id: string }[]>`select id from operations`;
    return found;
  });
  await doomed.kill("SIGKILL");
  expect([await cut, await unanswered]).toEqual(["cut", "cut"]);
  await unstored.release();
  await sql`
    update idempotency_keys set touched_at = now() - interval '61 seconds' where key in ('import', 'operation')`;
  for (const repetition of [await operate(steady.url), await operate(steady.url)]) {
    expect([repetition.status, repetition.headers.get("idempotency-replayed")]).toEqual([
      202,
      "true",
    ]);
    expect(await repetition.json()).toMatchObject({ id: created.id, action: "cancel" });
  }
  expect(await sql`select from operations`).toHaveLength(1);
  const answer = Import.parse(await (await upload(steady.url, `a,b\n${rows.join("")}`)).json());
  expect(answer).toMatchObject({
    id: begun.id,
    counts: { read: 6000, accepted: 6000, rejected: 0 },
  });
  const ended = await until("every row has ended", () => countsIfSettled(sql));
  expect(ended).toEqual(allCompleted(counts.accepted + 1 + 6000));
  const [{ imported }] = await sql<[{ imported: number }]>`
    select count(distinct values->>'a')::int as imported from imported_rows where import_id = ${begun.id}`;
  expect(imported).toBe(6000);
});

test("on SIGTERM a producer answers every request in flight and exits with 0", async () => {
  // Shutdown must not wait for the deadline of answered requests.
  const producer = await stack.startProducer({ REQUEST_TIMEOUT_MS: "600000" });
  const { sql, until } = stack;

  const load = _createLoad(producer.url);
  const running = load.run(200);
  await until("the load runs", async () => load.answers.length >= 1000 || undefined);
  await producer.kill("SIGTERM");
  const exit = await until("the producer exits", async () =>
    producer.isDown ? producer.exited : undefined,
  );
  expect(exit).toEqual({ code: 0, signal: null });
  load.stop();
  await running;

  expect(load.answers.every(({ status }) => status === 201)).toBe(true);
  const { accepted } = await countJobs(sql);
  expect(accepted).toBe(load.answers.length);
});

/** Blocks the transaction that stores the response of a request. */
async function _holdResponse(sql: Sql, key: string) {
  const holder = await sql.reserve();
  await holder`select pg_advisory_lock(1)`;
  await sql.unsafe(`
    create function wait() returns trigger language plpgsql as $$ begin
      perform pg_advisory_xact_lock(1);
      return new;
    end $$;
    create trigger wait before update of body_hash on idempotency_keys
    for each row when (old.key = '${key}') execute function wait()`);
  return {
    async release() {
      await holder`select pg_advisory_unlock(1)`;
      holder.release();
    },
  };
}

/** Posts jobs in a loop on each connection until `stop` or the first unanswered request. */
function _createLoad(url: string, kind: "plain" | "keyed" = "plain") {
  const answers: PostResult[] = [];
  const unanswered: ((url: string) => Promise<PostResult>)[] = [];
  const stopping = new AbortController();

  async function sendOn(line: number) {
    for (let index = 0; !stopping.signal.aborted; index += 1) {
      const name = `${line}-${index}`;
      const send = (to: string) =>
        postJob(to, echo(name), kind === "keyed" ? { idempotencyKey: name } : {});
      try {
        answers.push(await send(url));
      } catch {
        unanswered.push(send);
        return;
      }
    }
  }

  return {
    answers,
    unanswered,
    async run(connections: number) {
      await Promise.all(Array.from({ length: connections }, (_, line) => sendOn(line)));
    },
    stop: () => stopping.abort(),
  };
}

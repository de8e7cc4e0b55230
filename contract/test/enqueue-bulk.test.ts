import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import postgres from "postgres";
import { type Breakers, createBreakers } from "../src/engine/jobs/enqueue/breaker.ts";
import { createDispatcher } from "../src/engine/jobs/enqueue/dispatcher.ts";
import { createEnqueue } from "../src/engine/jobs/enqueue/enqueue.ts";
import type { BulkRequest } from "../src/engine/jobs/insert/insert-bulk.ts";
import { createRecordUndispatched } from "../src/engine/jobs/enqueue/undispatched-ledger.ts";
import { createNewJob } from "../src/engine/jobs/enqueue/new-job.ts";
import { arrayTypes } from "../src/engine/postgres/array-types.ts";
import { createLedger, type Ledger } from "../src/engine/postgres/pool.ts";
import type { Dispatch } from "../src/engine/redis/scripts/dispatch.ts";
import { shippedRegistry } from "./_job-types.ts";
import { createTestLedger, type TestLedger } from "./_stores.ts";

let store: TestLedger;
let ledger: Ledger;
beforeAll(async () => {
  store = await createTestLedger();
  const open = () => postgres(store.url, { max: 1, fetch_types: false, types: arrayTypes });
  ledger = createLedger(open, { timeoutMs: 20_000, connections: 4 });
});
const opened: Breakers[] = [];
afterEach(async () => {
  for (const breakers of opened.splice(0)) breakers.close();
  await store.sql`delete from jobs`;
});
afterAll(async () => {
  await ledger.close();
  await store[Symbol.asyncDispose]();
});

const unused = async () => {
  throw new Error("nothing is removed");
};

function _enqueue(dispatch: Dispatch) {
  const breakers = createBreakers({ probe: unused, probeEveryMs: 1000, onChange() {} });
  opened.push(breakers);
  const dispatcher = createDispatcher({
    dispatch,
    remove: unused,
    removeFromRedis: unused,
    breakers,
    recordUndispatched: createRecordUndispatched(ledger),
    maxUndispatched: 0,
  });
  return createEnqueue({ ledger, dispatcher, timeoutMs: 20_000 });
}

function _job(message: string) {
  const made = createNewJob(
    shippedRegistry,
    { type: "echo", data: { message } },
    { tenant: "default" },
    undefined,
  );
  if (made.status !== "ok") throw new Error(made.kind);
  return made.job;
}

async function _messages() {
  const rows = await store.sql<{ message: string }[]>`
    select data->>'message' as message from jobs order by id`;
  return rows.map(({ message }) => message);
}

test("jobs that are recorded already are accepted again, together with new ones", async () => {
  const dispatched: number[] = [];
  const enqueue = _enqueue(async (_, jobs) => dispatched.push(jobs.length));
  const [one, two, three] = [_job("1"), _job("2"), _job("3")];
  const seen: number[] = [];
  const alongside: BulkRequest["alongside"] = async (sql, accepted) => {
    const [row] = await sql<{ count: number }[]>`select count(*)::int as count from jobs`;
    seen.push(accepted.length, row!.count);
  };
  expect(await enqueue.many({ jobs: [one, two], alongside })).toMatchObject({ isDispatched: true });
  expect(await enqueue.many({ jobs: [one, two, three], alongside })).toMatchObject({
    status: "accepted",
    jobs: [{ isNew: true }, { isNew: true }, { isNew: true }],
    isDispatched: true,
  });
  expect(seen).toEqual([2, 2, 3, 3]);
  expect(dispatched).toEqual([2, 3]);
  expect(await _messages()).toEqual(["1", "2", "3"]);
});

test("a request is recorded while the previous one is dispatched", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<number>();
  const enqueue = _enqueue(() => released);
  const first = await enqueue.record({ jobs: [_job("1")] });
  const second = await enqueue.record({ jobs: [_job("2")] });
  expect(await _messages()).toEqual(["1", "2"]);
  release(1);
  for (const recorded of [first, second]) {
    if (recorded.status !== "accepted") throw new Error(recorded.status);
    expect(recorded.jobs).toMatchObject([{ isNew: true }]);
    expect(await recorded.dispatched).toBe(true);
  }
});

test("a recorded request whose dispatch fails is undispatched, and noted for the reconciler", async () => {
  const enqueue = _enqueue(() => Promise.reject(new Error("no connection")));
  const recorded = await enqueue.record({ jobs: [_job("1")] });
  expect(recorded).toMatchObject({ status: "accepted" });
  expect(recorded.status === "accepted" && (await recorded.dispatched)).toBe(false);
  expect(await enqueue.record({ jobs: [_job("2")] }).catch(String)).toContain("full");
  expect(await _messages()).toEqual(["1"]);
  const noted = await store.sql`
    select data->>'message' as message from undispatched_jobs join jobs on jobs.id = job_id`;
  expect([...noted]).toEqual([{ message: "1" }]);
});

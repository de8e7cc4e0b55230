import { afterEach, expect, test } from "bun:test";
import { isTransient, LedgerTimeout } from "@toril/contract/engine/postgres/errors";
import type { ISql, Sql } from "postgres";
import { connectLedger } from "../src/stores/postgres.ts";
import { _bearer, _issue } from "./_keys.ts";
import { _echo, _expectProblem, _openProducer, _startProducer, _until } from "./_producer.ts";

const { stores, producer } = await _openProducer({ REQUEST_TIMEOUT_MS: "60000" });
afterEach(() => stores.clear());

/** Holds the locks that `lock` takes until released. */
async function hold(lock: (sql: ISql) => Promise<unknown>) {
  const begun = Promise.withResolvers<void>();
  const ending = Promise.withResolvers<void>();
  const done = stores.sql.begin(async (sql) => {
    await lock(sql);
    begun.resolve();
    await ending.promise;
  });
  await begun.promise;
  async function release() {
    ending.resolve();
    await done;
  }
  return { release, [Symbol.asyncDispose]: release };
}

/** Blocks statements that read operations. */
const lockOperations = () => hold((sql) => sql`lock table operations in access exclusive mode`);

/** Counts the statements that wait for a lock. */
async function countWaiting() {
  const [row] = await stores.sql<{ waiting: number }[]>`
    select count(*)::int as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return row!.waiting;
}

const untilWaiting = (count: number) => _until(async () => (await countWaiting()) >= count);

test("while one tenant's reads use all of its connections, jobs are accepted and other tenants read", async () => {
  const scopes = ["jobs:read", "jobs:write"] as const;
  const noisy = _bearer((await _issue(stores, [...scopes], { tenant: "noisy" })).key);
  const quiet = _bearer((await _issue(stores, [...scopes], { tenant: "quiet" })).key);
  await _until(async () => (await producer.request("/v1/jobs")).status === 401);
  await using held = await lockOperations();
  let answered = 0;
  const reads = Array.from({ length: 60 }, async () => {
    const answer = await producer.request("/v1/operations", { headers: noisy });
    if (answer.status === 200) answered += 1;
    return answer.status;
  });
  await untilWaiting(3);

  const { status, body } = await producer.post(_echo(), quiet);
  expect(status).toBe(201);
  expect((await producer.post(_echo("a", { key: "k" }), quiet)).status).toBe(201);
  const cancel = { method: "DELETE", headers: quiet };
  expect((await producer.request(`/v1/jobs/${body.id}`, cancel)).status).toBe(200);
  for (const path of ["/v1/jobs", `/v1/jobs/${body.id}`, "/v1/dead-letters/summary"]) {
    expect((await producer.request(path, { headers: quiet })).status).toBe(200);
  }
  expect(answered).toBe(0);

  await held.release();
  // A statement that was blocked for two seconds is cancelled.
  for (const status of await Promise.all(reads)) expect([200, 503]).toContain(status);
  await stores.sql`delete from api_keys`;
});

test("of the reads of a tenant that may examine many rows, one runs at a time", async () => {
  const scopes = ["jobs:read", "jobs:write"] as const;
  const noisy = _bearer((await _issue(stores, [...scopes], { tenant: "noisy" })).key);
  const quiet = _bearer((await _issue(stores, [...scopes], { tenant: "quiet" })).key);
  const keyed = await _startProducer(stores, { REQUEST_TIMEOUT_MS: "60000" });
  await using held = await hold((sql) => sql`lock table jobs in access exclusive mode`);
  const paths = ["/v1/jobs", "/v1/dead-letters", "/v1/dead-letters/summary"];
  const requests = Array.from({ length: 12 }, (_, index) =>
    keyed.request(paths[index % 3]!, { headers: noisy }),
  );
  await untilWaiting(1);
  requests.push(keyed.request("/v1/jobs", { headers: quiet }));
  await untilWaiting(2);
  // Reads of few rows do not wait for the scans.
  expect((await keyed.request("/v1/operations", { headers: noisy })).status).toBe(200);
  expect((await keyed.request("/v1/schedules", { headers: noisy })).status).toBe(200);
  expect(await countWaiting()).toBeLessThanOrEqual(2);
  await held.release();
  // A statement that was blocked for two seconds is cancelled.
  for (const { status } of await Promise.all(requests)) expect([200, 503]).toContain(status);
  await keyed.close();
  await stores.sql`delete from api_keys`;
});

test("while one tenant's changes use all of its connections, other tenants change jobs and schedules", async () => {
  const scopes = ["jobs:read", "jobs:write"] as const;
  const noisy = _bearer((await _issue(stores, [...scopes], { tenant: "noisy" })).key);
  const quiet = _bearer((await _issue(stores, [...scopes], { tenant: "quiet" })).key);
  const keyed = await _startProducer(stores, { REQUEST_TIMEOUT_MS: "60000" });
  const accept = async (headers: Record<string, string>, options: object) =>
    (await keyed.post(_echo("a", options), headers)).body.id;
  const delayed = { delayMs: 3_600_000 };
  const ids = await Promise.all(Array.from({ length: 20 }, () => accept(noisy, delayed)));
  const own = await accept(quiet, delayed);
  await using held = await hold(
    (sql) => sql`select from jobs where tenant = 'noisy' for no key update`,
  );
  let answered = 0;
  const changes = ids.map(async (id, index) => {
    const promote = { path: `/v1/jobs/${id}/promote`, method: "POST" };
    const cancel = { path: `/v1/jobs/${id}`, method: "DELETE" };
    const { path, method } = index % 2 === 0 ? promote : cancel;
    const answer = await keyed.request(path, { method, headers: noisy });
    answered += 1;
    return answer;
  });
  await untilWaiting(3);

  const request = async (method: string, path: string, body?: object) => {
    const headers = { ...quiet, "Content-Type": "application/json" };
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    return (await keyed.request(path, init)).status;
  };
  expect(await request("POST", `/v1/jobs/${own}/promote`)).toBe(200);
  expect(await request("DELETE", `/v1/jobs/${own}`)).toBe(200);
  expect(await request("POST", `/v1/jobs/${own}/retry`)).toBe(202);
  const schedule = { everyMs: 3_600_000, job: { type: "echo", data: { message: "a" } } };
  expect(await request("PUT", "/v1/schedules/hourly", schedule)).toBe(201);
  expect(await request("DELETE", "/v1/schedules/hourly")).toBe(200);
  expect(answered).toBe(0);

  await held.release();
  expect((await Promise.all(changes)).every((answer) => answer.status === 200)).toBe(true);
  await keyed.close();
  await stores.sql`delete from api_keys`;
});

test("a slow read gets 503 with Retry-After", async () => {
  const hasty = await _startProducer(stores, { REQUEST_TIMEOUT_MS: "1000" });
  await using _ = await lockOperations();
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => hasty.request("/v1/operations")),
  );
  for (const answer of answers) {
    _expectProblem(answer, "at-capacity");
    expect(answer.headers.get("retry-after")).toBe("1");
  }
  expect((await hasty.post(_echo())).status).toBe(201);
  await hasty.close();
});

const getPid = async (sql: Sql) =>
  (await sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]!.pid;

test("a slow statement is cancelled and keeps its connection", async () => {
  const ledger = connectLedger(stores.settings.DATABASE_URL, 60_000, {
    connections: 2,
    statementTimeoutMs: 50,
  });
  const pid = await ledger.run(getPid);
  const late = await ledger.run((sql) => sql`select pg_sleep(60)`).catch((error: unknown) => error);
  expect(isTransient(late)).toBe(true);
  expect(late).not.toBeInstanceOf(LedgerTimeout);
  expect(await ledger.run(getPid)).toBe(pid);
  await ledger.close();
});

test("a wait for a connection that times out does not block others", async () => {
  const ledger = connectLedger(stores.settings.DATABASE_URL, 60_000, { connections: 2 });
  const holding = Promise.withResolvers<void>();
  const running = [1, 2].map(() =>
    ledger.run(async (sql) => {
      const pid = await getPid(sql);
      await holding.promise;
      return [pid, await getPid(sql)];
    }),
  );
  expect(ledger.run(getPid, { timeoutMs: 20 })).rejects.toBeInstanceOf(LedgerTimeout);
  await ledger.run(getPid, { timeoutMs: 20 }).catch(() => {});
  holding.resolve();
  for (const [before, after] of await Promise.all(running)) expect(after).toBe(before);
  await ledger.close();
});

import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { TransactionSql } from "postgres";
import {
  _echo,
  _expectProblem,
  _nothing,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
} from "./_producer.ts";
import { _openProxy, type _Proxy } from "./_proxy.ts";

let stores: _Stores;
let proxy: _Proxy;
/** Has a long lock timeout. */
let producer: _Producer;

beforeAll(async () => {
  stores = await _openStores();
  await stores.sql`alter table jobs add constraint no_poison check (data->>'message' <> 'poison')`;
  await stores.sql.unsafe(
    `do $$ begin execute format('alter database %I set deadlock_timeout = ''50ms''', current_database()); end $$`,
  );
  proxy = await _openProxy(stores.settings.DATABASE_URL);
  producer = await _startProducer(stores, {
    DATABASE_URL: proxy.url,
    REQUEST_TIMEOUT_MS: "20000",
  });
});
afterEach(() => stores.clear());
afterAll(async () => {
  await producer.close();
  proxy.close();
  await stores.close();
});

/** Opens a competing transaction that stays open until released. */
async function hold(work: (sql: TransactionSql) => Promise<unknown>, end = "rollback") {
  const begun = Promise.withResolvers<void>();
  const ending = Promise.withResolvers<void>();
  const done = stores.sql.begin(async (sql) => {
    await work(sql);
    begun.resolve();
    await ending.promise;
    await sql.unsafe(`${end} and chain`);
  });
  await begun.promise;
  async function release() {
    ending.resolve();
    await done;
  }
  return { release, [Symbol.asyncDispose]: release };
}

const lockJobs = (sql: TransactionSql) => sql`lock table jobs in exclusive mode`;

const insertKey = (key: string) => (sql: TransactionSql) =>
  sql`
  insert into jobs (id, queue, type, key, data, options)
  values (gen_random_uuid(), 'default', 'echo', ${key}, '{}', '{}')`;

/** Recorded in a transaction, because the window is opened before the job is inserted. */
const once = { type: "once", windowMs: 60_000 };

/** Waits until `count` sessions of this database wait for a lock. */
const untilWaiting = (count: number) =>
  _until(async () => {
    const [row] = await stores.sql<{ waiting: number }[]>`
      select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    return row!.waiting >= count;
  });

test.each([
  ["plain", { key: false }],
  ["with keys", { key: true }],
])("an entry that Postgres refuses does not fail the others (%s)", async (_, { key }) => {
  await using held = await hold(lockJobs);
  const posts = Array.from({ length: 40 }, (_, n) =>
    producer.post(_echo(n === 17 ? "poison" : `${n}`, key ? { key: `k${n}` } : {})),
  );
  await untilWaiting(1);
  await held.release();
  const answers = await Promise.all(posts);
  _expectProblem(answers[17]!, "unstorable-json");
  expect(answers.filter(({ status }) => status === 201).length).toBe(39);
  expect(await stores.count()).toMatchObject({ jobs: 39, dispatched: 39 });
});

test("a bulk reports the entry that Postgres refuses", async () => {
  const entries = ["a", "poison", "b", "poison"].map((message) => _echo(message));
  const all = await producer.bulk(entries);
  _expectProblem(all, "invalid-bulk");
  expect(all.body.results.map(({ index }: { index: number }) => index)).toEqual([1, 3]);
  expect(await stores.count()).toEqual(_nothing);
  const headers = { "Idempotency-Key": "1" };
  const partial = await producer.bulk(entries, "?atomicity=partial", headers);
  expect([partial.status, partial.body.counts]).toEqual([
    207,
    { created: 2, duplicate: 0, rejected: 2 },
  ]);
  expect((await producer.bulk(entries, "?atomicity=partial", headers)).text).toBe(partial.text);
  expect(await stores.count()).toMatchObject({ jobs: 2, dispatched: 2 });
});

test("an import reports the line of a row that Postgres refuses", async () => {
  const answer = await producer.csv("message\na\npoison\nb\n", "?type=echo");
  expect(answer.body.counts).toMatchObject({ read: 3, accepted: 2, rejected: 1 });
  expect(answer.body.errors.map(({ line }: { line: number }) => line)).toEqual([3]);
  expect(await stores.count()).toMatchObject({ jobs: 2, dispatched: 2 });
});

test.each([
  ["a plain job", {}, {}, "SELECT 1"],
  ["a job with a key", { key: "k" }, {}, "SELECT 1"],
  ["a request with an Idempotency-Key", {}, { "Idempotency-Key": "1" }, "SELECT 1"],
  ["a request with both keys", { key: "k" }, { "Idempotency-Key": "1" }, "SELECT 1"],
  ["a job with a deduplication window", { key: "k", keyPolicy: once }, {}, "COMMIT"],
  [
    "a request with a deduplication window",
    { key: "k", keyPolicy: once },
    { "Idempotency-Key": "1" },
    "COMMIT",
  ],
])(
  "when the reply to a COMMIT is lost, %s is accepted once",
  async (_, options, headers: Record<string, string>, text) => {
    const cut = proxy.cutReply(text);
    const answer = await producer.post(_echo("a", options), headers);
    await cut;
    expect([answer.status, answer.body.outcome]).toEqual([201, "created"]);
    expect(answer.headers.get("idempotency-replayed")).toBeNull();
    expect(await stores.count()).toMatchObject({ jobs: 1, dispatched: 1 });
    expect((await producer.client.getJob(answer.body.id)).createdAt).toBe(answer.body.createdAt);
    const again = await producer.post(_echo("a", options), headers);
    if ("Idempotency-Key" in headers) expect(again.text).toBe(answer.text);
  },
);

test("a transaction whose connection breaks is repeated from its beginning", async () => {
  await using held = await hold(insertKey("k"));
  const waiting = producer.post(_echo("a", { key: "k" }), { "Idempotency-Key": "1" });
  // The single statement and the first transaction ended after 10 ms without a lock; the second transaction claimed the
  // Idempotency-Key and waits for the key.
  await _until(async () => {
    const rows = await stores.sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
        and clock_timestamp() - query_start > interval '500 ms'`;
    return rows.length === 1;
  });
  const cut = proxy.cutReply("INSERT 0 1");
  await held.release();
  await cut;
  expect((await waiting).status).toBe(201);
  expect(await stores.count()).toMatchObject({ jobs: 1, keys: 1, dispatched: 1 });
});

test("when the reply to the COMMIT of a bulk is lost, its jobs are accepted and dispatched once", async () => {
  await producer.post(_echo("existing", { key: "existing" }));
  const entries = [_echo("a", { key: "existing" }), _echo("b", { key: "k" }), _echo("c")];
  const headers = { "Idempotency-Key": "bulk" };
  const cut = proxy.cutReply("COMMIT");
  const answer = await producer.bulk(entries, "", headers);
  await cut;
  expect([answer.status, answer.body.counts]).toEqual([
    201,
    { created: 2, duplicate: 1, rejected: 0 },
  ]);
  expect(answer.headers.get("idempotency-replayed")).toBeNull();
  expect(await stores.count()).toMatchObject({ jobs: 3, dispatched: 3 });
  expect((await producer.bulk(entries, "", headers)).text).toBe(answer.text);
});

test("when the reply to the insert of a bulk without keys is lost, its jobs are accepted once", async () => {
  const cut = proxy.cutReply("SELECT 1");
  const answer = await producer.bulk([_echo("a"), _echo("b")]);
  await cut;
  expect([answer.status, answer.body.counts]).toEqual([
    201,
    { created: 2, duplicate: 0, rejected: 0 },
  ]);
  expect(await stores.count()).toMatchObject({ jobs: 2, dispatched: 2 });
});

test("when the reply to the COMMIT of a chunk is lost, its rows are counted once", async () => {
  const cut = proxy.cutReply("COMMIT");
  const answer = await producer.csv(`a\n${"1\n".repeat(600)}`);
  await cut;
  expect([answer.status, answer.body.status]).toEqual([201, "running"]);
  expect(answer.body.counts).toMatchObject({ read: 600, accepted: 600, duplicate: 0 });
  expect(await stores.count()).toMatchObject({ jobs: 600, dispatched: 600 });
});

test("a batch that was chosen as the deadlock victim is repeated", async () => {
  const begun = Promise.withResolvers<void>();
  const other = stores.sql.begin(async (sql) => {
    // This transaction must not be the deadlock's victim.
    await sql`set local deadlock_timeout = '60s'`;
    await insertKey("b")(sql);
    begun.resolve();
    await untilWaiting(1);
    await insertKey("a")(sql);
    await sql`rollback and chain`;
  });
  await begun.promise;
  const answer = await producer.bulk([_echo("1", { key: "a" }), _echo("2", { key: "b" })]);
  await other;
  expect([answer.status, answer.body.counts.created]).toEqual([201, 2]);
});

test("a job without a key does not wait for the transaction of another", async () => {
  await using held = await hold(insertKey("held"));
  let isAnswered = false;
  const waiting = producer.post(_echo("a", { key: "held" })).finally(() => (isAnswered = true));
  await untilWaiting(1);
  for (let round = 0; round < 5; round += 1) {
    expect((await producer.post(_echo())).status).toBe(201);
    expect((await producer.bulk([_echo()])).status).toBe(201);
  }
  expect(isAnswered).toBe(false);
  await held.release();
  expect((await waiting).status).toBe(201);
});

test("requests with other keys do not wait for keys that another transaction holds", async () => {
  const lenient = await _startProducer(stores, { REQUEST_TIMEOUT_MS: "60000" });
  const existing = await lenient.post(_echo("a", { key: "taken" }), { "Idempotency-Key": "taken" });
  await using held = await hold(async (sql) => {
    await insertKey("held")(sql);
    await sql`insert into idempotency_keys (key, request_hash) values ('held', 'other')`;
  });
  let answered = 0;
  const waiting = [
    lenient.post(_echo("a", { key: "held" })),
    lenient.post(_echo("b"), { "Idempotency-Key": "held" }),
    lenient.post(_echo("c", { key: "held" }), { "Idempotency-Key": "1" }),
  ].map((answer) => answer.finally(() => (answered += 1)));
  // The first round shares a batch with the requests that wait.
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all([
      lenient.post(_echo("a", { key: `k${round}` })),
      lenient.post(_echo("a"), { "Idempotency-Key": `i${round}` }),
      lenient.post(_echo("a", { key: `both${round}` }), { "Idempotency-Key": `both${round}` }),
      lenient.post(_echo("a", { key: "taken" })),
      lenient.post(_echo("a", { key: "taken" }), { "Idempotency-Key": "taken" }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 200, 201]);
    expect(answers[4].text).toBe(existing.text);
  }
  await untilWaiting(1);
  expect(answered).toBe(0);
  await held.release();
  const statuses = (await Promise.all(waiting)).map(({ status }) => status);
  expect(statuses).toEqual([201, 201, 200]);
  await lenient.close();
});

test("a key that stays locked fails only its own entry", async () => {
  const impatient = await _startProducer(stores, { REQUEST_TIMEOUT_MS: "2000" });
  await using held = await hold(insertKey("held"));
  const keys = Array.from({ length: 30 }, (_, n) => (n === 9 ? "held" : `k${n}`));
  const posts = keys.map((key) => impatient.post(_echo("a", { key })));
  const keyed = impatient.post(_echo("a", { key: "held" }), { "Idempotency-Key": "1" });
  const answers = await Promise.all(posts);
  _expectProblem(answers[9]!, "at-capacity");
  expect(answers.filter(({ status }) => status === 201).length).toBe(29);
  _expectProblem(await keyed, "at-capacity");
  await held.release();
  await impatient.close();
  expect(await stores.count()).toMatchObject({ jobs: 29, keys: 0, dispatched: 29 });
});

test("a locked table is not reported as an Idempotency-Key in use", async () => {
  const impatient = await _startProducer(stores, { REQUEST_TIMEOUT_MS: "1000" });
  for (const table of ["jobs", "idempotency_keys"]) {
    await using _held = await hold((sql) => sql.unsafe(`lock table ${table} in exclusive mode`));
    const answers = await Promise.all([
      ...["1", "2", "3"].map((key) => impatient.post(_echo(), { "Idempotency-Key": key })),
      impatient.post(_echo("a", { key: "k" }), { "Idempotency-Key": "4" }),
      impatient.bulk([_echo()], "", { "Idempotency-Key": "5" }),
    ]);
    for (const answer of answers) _expectProblem(answer, "at-capacity");
  }
  await impatient.close();
  expect(await stores.count()).toEqual(_nothing);
});

test("a key whose job ends while an insert waits for it is free", async () => {
  const { body } = await producer.post(_echo("old", { key: "k" }));
  await using held = await hold(
    (sql) => sql`update jobs set status = 'completed', settled_at = now() where id = ${body.id}`,
    "commit",
  );
  const waiting = producer.post(_echo("new", { key: "k" }));
  await untilWaiting(1);
  await held.release();
  const answer = await waiting;
  expect([answer.status, answer.body.outcome]).toEqual([201, "created"]);
  expect(answer.body.id).not.toBe(body.id);
});

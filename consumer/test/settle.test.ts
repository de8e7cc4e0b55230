import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { ISql } from "postgres";
import { createTestLedger, type TestLedger } from "../../contract/test/_stores.ts";
import { createRetryingLedger, type RetryingLedger } from "../src/stores/retrying-ledger.ts";
import { openLedger } from "../src/stores/postgres.ts";
import {
  settleJobs,
  settlePlainJobs,
  type Settlement,
} from "@toril/contract/engine/jobs/attempt/ledger-settle";
import { createSettler } from "@toril/contract/engine/jobs/attempt/settle";

let store: TestLedger;
let ledger: Ledger;
let retryingLedger: RetryingLedger;
beforeAll(async () => {
  store = await createTestLedger();
  ledger = openLedger(store.url);
  retryingLedger = createRetryingLedger({ ledger, onUnavailable() {}, onAvailable() {} });
});
afterAll(async () => {
  await ledger.close();
  await store[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await store.sql`truncate jobs, imports, graph_events`;
});

const batch = { maxEntries: 100, flushMs: 5 };

async function _record(count: number, importId: string | null = null, generation = 0) {
  const ids = Array.from({ length: count }, () => Bun.randomUUIDv7());
  await store.sql`
    insert into jobs (id, queue, type, data, options, generation, import_id)
    select id, 'default', 'echo', '{}', '{}', ${generation}, ${importId} from unnest(${ids}::uuid[]) as id`;
  return ids;
}

async function _recordImport() {
  const id = Bun.randomUUIDv7();
  await store.sql`insert into imports (id, type) values (${id}, 'row.import')`;
  return id;
}

function _completed(id: string | undefined, changes: Partial<Settlement> = {}): Settlement {
  return {
    id: id ?? "",
    generation: 0,
    status: "completed",
    attempts: 1,
    result: '{"n":1}',
    error: null,
    ...changes,
  };
}

const _dead = (id: string | undefined, changes: Partial<Settlement> = {}) =>
  _completed(id, {
    status: "dead",
    attempts: 3,
    result: null,
    error: '{"name":"Error","message":"no"}',
    ...changes,
  });

async function _rows(ids: readonly string[]) {
  return store.sql`
    select status, attempts, result, error, settled_at is not null as "isSettled"
    from jobs where id = any(${ids as string[]}::uuid[]) order by id`;
}

async function _getCounts(importId: string) {
  const [counts] = await store.sql`select completed, dead from imports where id = ${importId}`;
  return counts;
}

describe("a settled job", () => {
  test("is not settled again, and the second caller learns its status", async () => {
    const ids = await _record(1);
    await settleJobs(store.sql, [_dead(ids[0])]);

    const second = await settleJobs(store.sql, [_completed(ids[0])]);

    expect(second).toEqual([{ status: "already-settled", recorded: "dead" }]);
    expect(await _rows(ids)).toMatchObject([{ status: "dead", attempts: 3, result: null }]);
  });

  test("is settled by the first of two settlements in one batch", async () => {
    const ids = await _record(1);

    const outcomes = await settleJobs(store.sql, [_completed(ids[0]), _dead(ids[0])]);

    expect(outcomes).toEqual([
      { status: "settled" },
      { status: "already-settled", recorded: "completed" },
    ]);
    expect(await _rows(ids)).toMatchObject([{ status: "completed", error: null }]);
  });

  test("is counted once for its import", async () => {
    const importId = await _recordImport();
    const [id] = await _record(1, importId);

    await Promise.all(
      [_completed(id), _dead(id), _completed(id)].map((one) => settleJobs(store.sql, [one])),
    );

    const counts = await _getCounts(importId);
    expect(counts?.["completed"] + counts?.["dead"]).toBe(1);
  });
});

test("a settlement of an earlier generation leaves the job pending", async () => {
  const ids = await _record(1, null, 2);

  const outcomes = await settleJobs(store.sql, [
    _dead(ids[0], { generation: 1 }),
    _dead(ids[0], { generation: 3 }),
  ]);

  expect(outcomes).toEqual([
    { status: "already-settled", recorded: "pending" },
    { status: "already-settled", recorded: "pending" },
  ]);
  expect(await _rows(ids)).toMatchObject([{ status: "pending", isSettled: false }]);
  expect(await settleJobs(store.sql, [_completed(ids[0], { generation: 2 })])).toEqual([
    { status: "settled" },
  ]);
});

test("a settlement of an unknown job has no recorded status", async () => {
  expect(await settleJobs(store.sql, [_completed(Bun.randomUUIDv7())])).toEqual([
    { status: "already-settled", recorded: undefined },
  ]);
});

describe("a value that Postgres cannot store", () => {
  test.each([
    ["a NUL character", '{"text":"\\u0000"}'],
    ["a lone surrogate", '"\\ud800"'],
    ["what is not JSON", "{"],
  ])(
    "%s in a result makes its job dead, and the other jobs of the batch complete",
    async (_, result) => {
      const importId = await _recordImport();
      const ids = await _record(20, importId);
      const settler = createSettler({ ledger: retryingLedger, batch });

      const outcomes = await Promise.all(
        ids.map((id, index) => settler.settle(_completed(id, index === 7 ? { result } : {}))),
      );

      expect(outcomes.map(({ status }) => status)).toEqual(
        ids.map((_id, index) => (index === 7 ? "unstorable" : "settled")),
      );
      const rows = await _rows(ids);
      expect(rows.map((row) => row["status"])).toEqual(
        ids.map((_id, index) => (index === 7 ? "dead" : "completed")),
      );
      expect(rows[7]).toMatchObject({
        result: null,
        error: { name: "ResultNotStorable", message: expect.stringContaining("cannot be stored") },
      });
      expect(await _getCounts(importId)).toEqual({ completed: 19, dead: 1 });
    },
  );

  test("does not overwrite a recorded status", async () => {
    const ids = await _record(1);
    await settleJobs(store.sql, [_completed(ids[0])]);

    const settler = createSettler({ ledger: retryingLedger, batch });

    expect(await settler.settle(_completed(ids[0], { result: '"\\u0000"' }))).toEqual({
      status: "already-settled",
      recorded: "completed",
    });
    expect(await _rows(ids)).toMatchObject([{ status: "completed", result: { n: 1 } }]);
  });
});

test("batches that update the same imports in different orders do not deadlock", async () => {
  const imports = await Promise.all(Array.from({ length: 5 }, _recordImport));
  const [first = [], ...others] = await Promise.all(imports.map((id) => _record(20, id)));
  const batches = first.map((one, index) => [one, ...others.map((ids) => ids[index])]);

  await Promise.all(
    batches.map((ids, index) => {
      const entries = ids.map((id) => (index % 4 === 0 ? _dead(id) : _completed(id)));
      return settleJobs(store.sql, index % 2 === 0 ? entries : entries.toReversed());
    }),
  );

  for (const id of imports) expect(await _getCounts(id)).toEqual({ completed: 15, dead: 5 });
});

test.each([
  ["imported jobs", settleJobs, true],
  ["plain jobs", settlePlainJobs, false],
] as const)(
  "a batch of %s reads only its own rows, although the statistics say that nothing is pending",
  async (_, settle, isImport) => {
    await store.sql`vacuum analyze jobs`;
    const ids = await _record(5000, isImport ? await _recordImport() : null);

    const readSoFar = async (sql: ISql) => {
      const [row] = await sql<{ rows: number }[]>`
        select (idx_tup_fetch + seq_tup_read)::int as rows
        from pg_stat_xact_user_tables where relname = 'jobs'`;
      return row?.rows ?? 0;
    };

    const read = await ledger.run((sql) =>
      sql.begin(async (tx) => {
        const before = await readSoFar(tx);
        await settle(
          tx,
          ids.slice(0, 50).map((id) => _completed(id)),
        );
        return (await readSoFar(tx)) - before;
      }),
    );

    expect(read).toBe(50);
  },
);

test("start times are recorded to the millisecond, whether jobs share them or not", async () => {
  const ids = await _record(4);
  const first = new Date("2026-11-23T09:30:00.001Z");
  const times = [first, new Date("1999-12-31T23:59:59.999Z"), undefined];
  await settleJobs(
    store.sql,
    times.map((startedAt, index) => _completed(ids[index], { startedAt })),
  );
  await settleJobs(store.sql, [_completed(ids[3], { startedAt: first })]);
  const rows = await store.sql`select started_at from jobs order by id`;
  expect(rows.map((row) => row["started_at"])).toEqual([first, times[1], null, first]);
});

test("of a batch, only the jobs that do not match are reported as already settled", async () => {
  const importId = await _recordImport();
  const ids = await _record(4, importId);
  await settleJobs(store.sql, [_dead(ids[1])]);

  const outcomes = await settleJobs(store.sql, [
    _completed(ids[0]),
    _completed(ids[1]),
    _completed(ids[2], { generation: 1 }),
    _completed(ids[2]),
    _completed(ids[3]),
    _completed(ids[3]),
  ]);

  expect(outcomes).toEqual([
    { status: "settled" },
    { status: "already-settled", recorded: "dead" },
    { status: "already-settled", recorded: "completed" },
    { status: "settled" },
    { status: "settled" },
    { status: "already-settled", recorded: "completed" },
  ]);
  expect(await _getCounts(importId)).toEqual({ completed: 3, dead: 1 });
});

test("completed and dead jobs of a batch keep their own results, errors and counts", async () => {
  const ids = await _record(3);
  const settler = createSettler({ ledger: retryingLedger, batch });

  const outcomes = await Promise.all([
    settler.settle(_completed(ids[0], { result: "null", attempts: 2 })),
    settler.settle(_completed(ids[1], { result: '["a, b", "{\\"c\\": \\\\\\\\}"]' })),
    settler.settle(_dead(ids[2])),
  ]);

  expect(outcomes).toEqual([{ status: "settled" }, { status: "settled" }, { status: "settled" }]);
  expect(await _rows(ids)).toMatchObject([
    { status: "completed", attempts: 2, result: null, error: null, isSettled: true },
    { status: "completed", attempts: 1, result: ["a, b", '{"c": \\\\}'], error: null },
    { status: "dead", attempts: 3, result: null, error: { name: "Error", message: "no" } },
  ]);
});

describe("without webhooks", () => {
  /** Records 2 plain jobs, 2 of an import, 2 children of a job, and that job, which waits for them. */
  async function _recordMixed() {
    const importId = await _recordImport();
    const [plain, imported, children, parents] = await Promise.all([
      _record(2),
      _record(2, importId),
      _record(2),
      _record(1),
    ]);
    await store.sql`
      update jobs set parent_id = ${parents[0] ?? ""}, on_failure = 'fail' where id = any(${children}::uuid[])`;
    await store.sql`update jobs set waiting_children = true where id = any(${parents}::uuid[])`;
    return { importId, plain, imported, children, parents };
  }

  const _graphEvents = () => store.sql`
    select parent_id as parent, child_id as child, failure from graph_events order by child_id nulls last`;

  /** A settler, and how many statements it has run. */
  function _createSettler(whenRun = <Result>(run: () => Promise<Result>) => run()) {
    const counted = { statements: 0 };
    const settler = createSettler({
      ledger: {
        retryUntilAvailable: (work, isFinal) => {
          counted.statements += 1;
          return whenRun(() => retryingLedger.retryUntilAvailable(work, isFinal));
        },
      },
      batch,
      mayHaveWebhooks: () => false,
    });
    const settle = (entries: readonly Settlement[]) =>
      Promise.all(entries.map((entry) => settler.settle(entry)));
    return { counted, settle };
  }

  test("a batch of plain and other jobs is recorded like separate batches", async () => {
    const { importId, plain, imported, children, parents } = await _recordMixed();
    const { settle } = _createSettler();
    const entries = [
      _completed(children[0]),
      _dead(plain[0]),
      _completed(imported[0]),
      _completed(plain[1], { result: "{" }),
      _completed(imported[1], { result: '"\\u0000"' }),
      _dead(children[1]),
      _completed(Bun.randomUUIDv7()),
      _dead(parents[0]),
    ];

    const outcomes = await settle(entries);

    expect(outcomes.map(({ status }) => status)).toEqual([
      "settled",
      "settled",
      "settled",
      "unstorable",
      "unstorable",
      "settled",
      "already-settled",
      "settled",
    ]);
    const recorded = ["dead", "dead", "completed", "dead", "completed", "dead", "dead"];
    const ids = [...plain, ...imported, ...children, ...parents];
    expect((await _rows(ids)).map((row) => row["status"])).toEqual(recorded);
    expect(await _getCounts(importId)).toEqual({ completed: 1, dead: 1 });
    const [parent] = parents;
    const events = [
      { parent, child: children[0], failure: null },
      { parent, child: children[1], failure: "fail" },
      { parent, child: null, failure: null },
    ];
    expect([...(await _graphEvents())]).toEqual(events);

    // Nothing is counted or reported again.
    const repeated = await settle(entries.slice(0, 3));
    expect(repeated).toEqual([
      { status: "already-settled", recorded: "completed" },
      { status: "already-settled", recorded: "dead" },
      { status: "already-settled", recorded: "completed" },
    ]);
    expect(await _getCounts(importId)).toEqual({ completed: 1, dead: 1 });
    expect(await _graphEvents()).toHaveLength(events.length);
  });

  test("a statement whose reply was lost is repeated without a second effect", async () => {
    const { importId, plain, imported, children, parents } = await _recordMixed();
    const { settle } = _createSettler(async (run) => {
      await run();
      return run();
    });

    const ids = [...plain, ...imported, ...children, ...parents];
    const outcomes = await settle(ids.map((id) => _completed(id)));

    expect(outcomes).toEqual(ids.map(() => ({ status: "already-settled", recorded: "completed" })));
    expect(await _getCounts(importId)).toEqual({ completed: 2, dead: 0 });
    expect(await _graphEvents()).toHaveLength(3);
  });

  test("of several settlements of a job, the first of its generation wins", async () => {
    const ids = await _record(2, null, 1);
    const { settle } = _createSettler();

    const outcomes = await settle([
      _dead(ids[0], { generation: 0 }),
      _completed(ids[0], { generation: 1 }),
      _dead(ids[0], { generation: 1 }),
      _dead(ids[1], { generation: 1 }),
      _completed(ids[1], { generation: 1 }),
    ]);

    expect(outcomes).toEqual([
      { status: "already-settled", recorded: "completed" },
      { status: "settled" },
      { status: "already-settled", recorded: "completed" },
      { status: "settled" },
      { status: "already-settled", recorded: "dead" },
    ]);
    expect(await _rows(ids)).toMatchObject([{ status: "completed" }, { status: "dead" }]);
  });

  test("batches cost one statement each, but for the first batch that has other jobs", async () => {
    const importId = await _recordImport();
    const [plain, imported] = await Promise.all([_record(20), _record(20, importId)]);
    const { counted, settle } = _createSettler();

    await settle(plain.slice(0, 10).map((id) => _completed(id)));
    expect(counted.statements).toBe(1);
    await settle([...plain.slice(10), ...imported.slice(0, 10)].map((id) => _completed(id)));
    expect(counted.statements).toBe(3);
    await settle(imported.slice(10).map((id) => _completed(id)));
    expect(counted.statements).toBe(4);
    expect(await _getCounts(importId)).toEqual({ completed: 20, dead: 0 });
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import { createTestLedger, type TestLedger } from "../../contract/test/_stores.ts";
import { createRetryingLedger } from "../src/stores/retrying-ledger.ts";
import { openLedger } from "../src/stores/postgres.ts";
import { createUpsertFeedItem, type FeedItem } from "../src/upsert/feed-items.ts";
import { createUpsertImportedRow } from "../src/upsert/imported-rows.ts";

let store: TestLedger;
let ledger: Ledger;
let statements = 0;

beforeAll(async () => {
  store = await createTestLedger();
  ledger = openLedger(store.url);
  for (const [tenant, id] of Object.entries(jobs)) {
    await store.sql`
      insert into jobs (id, tenant, queue, type, data, options)
      values (${id}, ${tenant}, 'default', 'feed.item', '{}', '{}')`;
  }
});
afterAll(async () => {
  await ledger.close();
  await store[Symbol.asyncDispose]();
});
beforeEach(async () => {
  statements = 0;
  await store.sql`truncate imported_rows, feed_items`;
});

function _deps(maxEntries = 100) {
  const counting: typeof ledger.run = (work) => {
    statements += 1;
    return ledger.run(work);
  };
  const retryingLedger = createRetryingLedger({
    ledger: { run: counting },
    onUnavailable() {},
    onAvailable() {},
  });
  return { ledger: retryingLedger, batch: { maxEntries, flushMs: 5 } };
}

/** One job of each tenant. */
const jobs = { default: Bun.randomUUIDv7(), other: Bun.randomUUIDv7() };

function _createUpsert(jobId = jobs.default) {
  const upsert = createUpsertFeedItem(_deps());
  return (item: FeedItem) => upsert(jobId, item);
}

function _createUpsertRow(jobId = jobs.default) {
  const upsert = createUpsertImportedRow(_deps());
  return (row: ReturnType<typeof _row>) => upsert(jobId, row);
}

const importId = "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";
const _row = (row: number, values: Record<string, string> = { city: "Holtsville" }) => ({
  importId,
  row,
  values,
});

function _item(changes: Partial<FeedItem> = {}): FeedItem {
  return {
    source: "example.org",
    guid: "1",
    title: "Hello",
    link: null,
    author: null,
    publishedAt: null,
    summary: null,
    content: null,
    categories: [],
    ...changes,
  };
}

describe("imported rows", () => {
  test("that Postgres cannot store are rejected alone", async () => {
    const upsert = _createUpsertRow();

    const outcomes = await Promise.allSettled(
      [1, 2, 3, 4].map((row) => upsert(_row(row, row === 3 ? { city: "\0" } : {}))),
    );

    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    expect(await store.sql`select row from imported_rows order by row`).toEqual([
      { row: 1 },
      { row: 2 },
      { row: 4 },
    ] as never);
  });

  test("of one turn share a statement, and are stored once after any number of repetitions", async () => {
    const upsert = _createUpsertRow();
    const rows = Array.from({ length: 100 }, (_, index) => _row(index + 1));

    await Promise.all(rows.map(upsert));
    expect(statements).toBe(1);
    await Promise.all(rows.map(upsert));

    const [count] = await store.sql`select count(*)::int as n from imported_rows`;
    expect(count).toEqual({ n: 100 });
  });

  test("keep the file's text exactly", async () => {
    const upsert = _createUpsertRow();
    const values = { zip: "00501", "a\\b": 'x"y, {z}', empty: "", line: "1\n2", emoji: "🐂" };

    await upsert(_row(1, values));

    const [row] = await store.sql`select values from imported_rows`;
    expect(row?.["values"]).toEqual(values);
  });

  test("of a job of another tenant belong to that tenant, whichever import the job names", async () => {
    await _createUpsertRow()(_row(1));
    await _createUpsertRow(jobs.other)(_row(1, { city: "Elsewhere" }));

    const rows = await store.sql`select tenant, values from imported_rows order by tenant`;
    expect(rows).toEqual([
      { tenant: "default", values: { city: "Holtsville" } },
      { tenant: "other", values: { city: "Elsewhere" } },
    ] as never);
  });
});

describe("feed items", () => {
  test("are new, then the same, then changed", async () => {
    const upsert = _createUpsert();

    expect(await upsert(_item())).toBe("new");
    expect(await upsert(_item())).toBe("same");
    expect(await upsert(_item({ title: "Hello again" }))).toBe("changed");
    expect(await upsert(_item({ title: "Hello again" }))).toBe("same");
    expect(await upsert(_item({ source: "example.com" }))).toBe("new");
  });

  test("of two tenants are stored separately under the same key", async () => {
    const upsert = _createUpsert();
    const other = _createUpsert(jobs.other);

    expect(await Promise.all([upsert(_item()), other(_item())])).toEqual(["new", "new"]);
    expect(await other(_item({ title: "Theirs" }))).toBe("changed");
    expect(await upsert(_item())).toBe("same");
    const tenants = await store.sql`select tenant from feed_items order by tenant`;
    expect(tenants.map((row) => row["tenant"])).toEqual(["default", "other"]);
  });

  test("that occur twice in one batch are written one after the other", async () => {
    const upsert = _createUpsert();

    const outcomes = await Promise.all([
      upsert(_item()),
      upsert(_item({ title: "Changed" })),
      upsert(_item({ title: "Changed" })),
      upsert(_item({ guid: "2" })),
    ]);

    expect(outcomes).toEqual(["new", "changed", "same", "new"]);
    expect(statements).toBe(3);
    const rows =
      await store.sql`select guid, item->>'title' as title from feed_items order by guid`;
    expect(rows).toEqual([
      { guid: "1", title: "Changed" },
      { guid: "2", title: "Hello" },
    ] as never);
  });

  test("that two consumers write in different orders do not deadlock", async () => {
    const [one, other] = [_createUpsert(), _createUpsert()];
    const guids = Array.from({ length: 200 }, (_, index) => String(index));

    const outcomes = await Promise.all([
      ...guids.map((guid) => one(_item({ guid, title: "one" }))),
      ...guids.toReversed().map((guid) => other(_item({ guid, title: "other" }))),
    ]);

    expect(outcomes.filter((outcome) => outcome === "new")).toHaveLength(200);
    expect(outcomes.filter((outcome) => outcome === "changed")).toHaveLength(200);
  });
});

test("an upsert reads only the jobs of its rows, however many jobs the ledger has", async () => {
  const rowsRead = async () => {
    // Statistics are per connection; the pool uses the connection of the last statement again.
    await ledger.run((sql) => sql`select pg_stat_force_next_flush()`);
    const [table] = await store.sql<{ read: number }[]>`
      select (coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0))::int as read
      from pg_stat_user_tables where relname = 'jobs'`;
    return table!.read;
  };
  await store.sql`
    insert into jobs (id, tenant, queue, type, data, options)
    select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'default', 'default', 'echo', '{}', '{}'
    from generate_series(1, 5000) as n`;
  await store.sql`analyze jobs`;
  const before = await rowsRead();

  await _createUpsertRow()(_row(1));
  await _createUpsert()(_item());

  expect((await rowsRead()) - before).toBeLessThan(100);
});

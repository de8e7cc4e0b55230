import { afterEach, beforeEach, expect, test } from "bun:test";
import type { KeyRow } from "@toril/contract/engine/api-keys/key-ledger";
import { pino } from "pino";
import { type KeyTable, openKeyTable } from "./key-table.ts";

function row(id: string, revision: number): KeyRow {
  const never = { previousHash: null, previousUntil: null, expiresAt: null, lastUsedAt: null };
  const ended = { rotatedAt: null, revokedAt: null };
  const limits = { queues: null, types: null, quotas: null };
  const own = { id, tenant: "default", name: id, scopes: [], hash: "", revision };
  return { ...own, ...limits, ...never, ...ended, createdAt: new Date(0) };
}

let at: number;
let rows: KeyRow[];
let revisions: number[];
let isUnavailable: boolean;
let changes: number;
let keys: KeyTable;

async function read(revision: number): Promise<KeyRow[]> {
  revisions.push(revision);
  if (isUnavailable) throw new Error("unavailable");
  return rows.filter((each) => each.revision > revision);
}

async function open() {
  const log = pino({ level: "silent" });
  keys = await openKeyTable({ read, onChange: () => (changes += 1), log, now: () => at });
}

beforeEach(() => {
  at = 0;
  rows = [];
  revisions = [];
  isUnavailable = false;
  changes = 0;
});
afterEach(() => keys.close());

test("a refresh reads only keys with a newer revision", async () => {
  rows = [row("a", 1), row("b", 2)];
  await open();
  rows.push(row("c", 3));
  await keys.refresh();
  await keys.refresh();
  expect([...new Set(revisions)]).toEqual([0, 2, 3]);
  expect(keys.find("c")).toMatchObject({ id: "c", revision: 3 });
  expect(changes).toBe(2);
});

test("a deleted key disappears within a minute, and the state never returns to empty", async () => {
  rows = [row("a", 1)];
  await open();
  rows = [];
  await keys.refresh();
  expect(keys.find("a")).toBeDefined();
  at += 61_000;
  await keys.refresh();
  expect(keys.find("a")).toBeUndefined();
  expect(keys.state).toBe("filled");
});

test("while keys cannot be read, cached keys stay and become stale", async () => {
  rows = [row("a", 1)];
  await open();
  isUnavailable = true;
  at += 2001;
  await keys.refresh();
  expect(keys.find("a")).toBeDefined();
  expect([keys.state, keys.isStale]).toEqual(["filled", true]);
  isUnavailable = false;
  await keys.refresh();
  expect(keys.isStale).toBe(false);
});

test("the state is unread until the first successful read, then empty until a key exists", async () => {
  isUnavailable = true;
  await open();
  expect(keys.state).toBe("unread");
  isUnavailable = false;
  await keys.refresh();
  expect(keys.state).toBe("empty");
  rows = [row("a", 1)];
  await keys.refresh();
  expect(keys.state).toBe("filled");
});

test("concurrent refreshes share one read that starts after all of them", async () => {
  await open();
  const first = keys.refresh();
  rows = [row("a", 1)];
  await Promise.all([first, ...Array.from({ length: 100 }, () => keys.refresh())]);
  expect(keys.find("a")).toBeDefined();
  expect(revisions.length).toBeLessThan(10);
});

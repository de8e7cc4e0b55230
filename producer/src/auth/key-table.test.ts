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
let asked: number[];
let isAway: boolean;
let changes: number;
let keys: KeyTable;

async function read(revision: number): Promise<KeyRow[]> {
  asked.push(revision);
  if (isAway) throw new Error("away");
  return rows.filter((each) => each.revision > revision);
}

async function open() {
  const log = pino({ level: "silent" });
  keys = await openKeyTable({ read, onChange: () => (changes += 1), log, now: () => at });
}

beforeEach(() => {
  at = 0;
  rows = [];
  asked = [];
  isAway = false;
  changes = 0;
});
afterEach(() => keys.close());

test("it asks for what is newer than what it has", async () => {
  rows = [row("a", 1), row("b", 2)];
  await open();
  rows.push(row("c", 3));
  await keys.refresh();
  await keys.refresh();
  expect([...new Set(asked)]).toEqual([0, 2, 3]);
  expect(keys.find("c")).toMatchObject({ id: "c", revision: 3 });
  expect(changes).toBe(2);
});

test("what was deleted is gone within a minute, and a table that was filled is never empty again", async () => {
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

test("while they cannot be read, the keys that are known stay, and are stale soon", async () => {
  rows = [row("a", 1)];
  await open();
  isAway = true;
  at += 2001;
  await keys.refresh();
  expect(keys.find("a")).toBeDefined();
  expect([keys.state, keys.isStale]).toEqual(["filled", true]);
  isAway = false;
  await keys.refresh();
  expect(keys.isStale).toBe(false);
});

test("it is unread until they could be read once, then empty until there is one", async () => {
  isAway = true;
  await open();
  expect(keys.state).toBe("unread");
  isAway = false;
  await keys.refresh();
  expect(keys.state).toBe("empty");
  rows = [row("a", 1)];
  await keys.refresh();
  expect(keys.state).toBe("filled");
});

test("many who ask at once share a reading that begins after they asked", async () => {
  await open();
  const first = keys.refresh();
  rows = [row("a", 1)];
  await Promise.all([first, ...Array.from({ length: 100 }, () => keys.refresh())]);
  expect(keys.find("a")).toBeDefined();
  expect(asked.length).toBeLessThan(10);
});

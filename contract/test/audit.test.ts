import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { appendAudit } from "../src/engine/audit/append-audit.ts";
import type { NewAuditEntry } from "../src/api/access/audit-entry.ts";
import { readNewestAudit } from "../src/engine/audit/read-audit.ts";
import { type AuditHead, verifyAudit } from "../src/engine/audit/verify-audit.ts";
import { createTestLedger, type TestLedger } from "./_stores.ts";

let ledger: TestLedger;
let sql: Sql;

beforeAll(async () => {
  ledger = await createTestLedger();
  sql = ledger.sql;
});
afterAll(() => ledger[Symbol.asyncDispose]());
afterEach(() =>
  _asIntruder(async (tx) => {
    await tx`delete from audit_log`;
    await tx`delete from audit_head`;
    await tx`insert into audit_head (seq, hash) values (0, repeat('0', 64))`;
  }),
);

function _entry(changes: Partial<NewAuditEntry> = {}): NewAuditEntry {
  return {
    actor: "key:0mibwkq0705f60718",
    tenant: "default",
    action: "createKey",
    target: "/v1/keys",
    address: "192.0.2.1",
    requestId: "r-1",
    outcome: "done",
    ...changes,
  };
}

function _append(changes: Partial<NewAuditEntry> = {}, client = sql) {
  return client.begin((tx) => appendAudit(tx, _entry(changes)));
}

async function _appendThree() {
  for (const target of ["/v1/keys/a", "/v1/keys/b", "/v1/keys/c"]) await _append({ target });
}

/** Acts as the database owner with triggers disabled. */
async function _asIntruder(work: (tx: Sql) => Promise<unknown>) {
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await work(tx as unknown as Sql);
  });
}

describe("the audit log", () => {
  test("stores every action in one chain from the first entry on", async () => {
    expect(await verifyAudit(sql)).toMatchObject({ status: "whole", head: { seq: 0 } });
    await _append({ actor: "cli:root", address: null, requestId: null });
    const last = await _append({ outcome: "key-not-found", target: "/v1/keys/ü\0\uD800" });

    expect(await verifyAudit(sql)).toEqual({
      status: "whole",
      head: { seq: 2, hash: last.hash },
    });
    const [second, first] = await readNewestAudit(sql, 10);
    expect(first).toMatchObject({ seq: 1, actor: "cli:root", address: null, requestId: null });
    expect(second).toEqual({ ...last, target: "/v1/keys/ü\uFFFD\uFFFD", previous: first!.hash });
    expect(Date.parse(second!.at)).toBeGreaterThanOrEqual(Date.parse(first!.at));
  });

  test("has no entry of a change that did not happen", async () => {
    const failing = sql.begin(async (tx) => {
      await appendAudit(tx, _entry());
      throw new Error("the change failed");
    });
    await expect(failing).rejects.toThrow("the change failed");
    await _append();

    expect(await verifyAudit(sql)).toMatchObject({ status: "whole", head: { seq: 1 } });
  });

  test("is one chain whoever writes it at the same time", async () => {
    const clients = Array.from({ length: 4 }, () => postgres(ledger.url, { max: 4 }));
    await Promise.all(
      clients.flatMap((client, at) =>
        Array.from({ length: 25 }, () => _append({ actor: `key:${at}` }, client)),
      ),
    );
    await Promise.all(clients.map((client) => client.end()));

    expect(await verifyAudit(sql)).toMatchObject({ status: "whole", head: { seq: 100 } });
  });

  test("is verified beyond a page, while it grows", async () => {
    await sql.begin(async (tx) => {
      for (let count = 0; count < 1001; count += 1) await appendAudit(tx, _entry());
    });
    const [result] = await Promise.all([verifyAudit(sql), _append(), _append()]);

    expect(result.status).toBe("whole");
  });
});

test("a role that owns nothing adds to it with the rights that are documented, and has no others", async () => {
  const role = `test_${crypto.randomUUID().slice(0, 8)}`;
  const readme = await Bun.file(new URL("../../ops/protection/README.md", import.meta.url)).text();
  const grants = [...readme.matchAll(/^grant .* to toril;$/gm)].map(([line]) => line);
  expect(grants).toHaveLength(2);
  const _asRole = (work: (tx: Sql) => Promise<unknown>) =>
    sql.begin(async (tx) => {
      await tx`set local role ${sql(role)}`;
      await work(tx as unknown as Sql);
    });
  await sql`create role ${sql(role)}`;
  try {
    for (const grant of grants) await sql.unsafe(grant.replace("toril", role));
    await _asRole((tx) => appendAudit(tx, _entry()));

    expect(await verifyAudit(sql)).toMatchObject({ status: "whole", head: { seq: 1 } });
    for (const statement of [
      "delete from audit_log",
      "update audit_log set actor = ''",
      "truncate audit_log",
      "alter table audit_log disable trigger all",
      "update audit_head set seq = 7",
    ]) {
      await expect(_asRole((tx) => tx.unsafe(statement))).rejects.toMatchObject({ code: "42501" });
    }
  } finally {
    await sql`drop owned by ${sql(role)}`;
    await sql`drop role ${sql(role)}`;
  }
});

describe("nobody", () => {
  test.each([
    "update audit_log set actor = 'nobody' where seq = 2",
    "delete from audit_log where seq = 3",
    "truncate audit_log",
    "update audit_head set hash = repeat('f', 64)",
    "update audit_head set seq = 0",
    "delete from audit_head",
    "truncate audit_head, audit_log",
    "insert into audit_head (single, seq, hash) values (false, 0, '')",
    `insert into audit_log select seq + 1, at, actor, tenant, action, target, address, request_id,
       outcome, previous, hash from audit_log where seq = 3`,
  ])("can change it: %s", async (statement) => {
    await _appendThree();

    await expect(sql.unsafe(statement)).rejects.toThrow(/only added to|at its end|unique/);
    expect(await verifyAudit(sql)).toMatchObject({ status: "whole", head: { seq: 3 } });
  });
});

describe("verifying finds", () => {
  const crimes: [string, string, number][] = [
    ["an entry that was changed", "update audit_log set target = 'x' where seq = 2", 2],
    ["a time that was changed", "update audit_log set at = at + interval '1 ms' where seq = 1", 1],
    ["an outcome that was changed", "update audit_log set outcome = 'done ' where seq = 3", 3],
    ["an entry that was removed", "delete from audit_log where seq = 2", 2],
    ["a first entry that was removed", "delete from audit_log where seq = 1", 1],
    ["a last entry that was removed", "delete from audit_log where seq = 3", 2],
    ["everything removed", "delete from audit_log", 0],
    [
      "an entry that was inserted at the end",
      "insert into audit_log select 4, at, actor, tenant, action, target, address, request_id, outcome, hash, hash from audit_log where seq = 3",
      4,
    ],
    [
      "an entry that was put in the place of another",
      "delete from audit_log where seq = 1; insert into audit_log select 1, at, 'x', tenant, action, target, address, request_id, outcome, repeat('0', 64), hash from audit_log where seq = 2",
      1,
    ],
    [
      "two entries that changed places",
      "update audit_log set seq = -seq where seq > 1; update audit_log set seq = 5 + seq where seq < 0",
      2,
    ],
    ["a head that was changed", "update audit_head set seq = 9", 3],
    ["a head that was removed", "delete from audit_head", 3],
  ];

  test.each(crimes)("%s", async (_, statement, seq) => {
    await _appendThree();
    await _asIntruder((tx) => tx.unsafe(statement));

    expect(await verifyAudit(sql)).toMatchObject({ status: "broken", seq });
  });

  test("a chain that was made anew, when a head was written down before", async () => {
    await _appendThree();
    const [{ head }] = [(await verifyAudit(sql)) as { head: AuditHead }];
    expect(await verifyAudit(sql, [head])).toMatchObject({ status: "whole" });
    await _asIntruder(async (tx) => {
      await tx`delete from audit_log`;
      await tx`update audit_head set seq = 0, hash = repeat('0', 64)`;
    });
    expect(await verifyAudit(sql)).toMatchObject({ status: "whole" });
    expect(await verifyAudit(sql, [head])).toMatchObject({ status: "broken", seq: 0 });
    await _appendThree();

    expect(await verifyAudit(sql)).toMatchObject({ status: "whole" });
    expect(await verifyAudit(sql, [head])).toMatchObject({ status: "broken", seq: 3 });
  });
});

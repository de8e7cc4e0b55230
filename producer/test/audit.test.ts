import { afterAll, beforeAll, expect, test } from "bun:test";
import { readNewestAudit } from "@toril/contract/engine/audit/read-audit";
import { verifyAudit } from "@toril/contract/engine/audit/verify-audit";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import { pino } from "pino";
import { createTestLedger, type TestLedger } from "../../contract/test/_stores.ts";
import { createAudit } from "../src/audit/audit.ts";
import { connectLedger, forTenants } from "../src/stores/postgres.ts";

const request = {
  actor: "key:0mibwkq0705f60718",
  tenant: "default",
  action: "createKey",
  target: "/v1/keys",
  address: "192.0.2.1",
  requestId: "r-1",
};

let stores: TestLedger;
let ledger: Ledger;
const lines: Record<string, unknown>[] = [];
const log = pino({}, { write: (line) => lines.push(JSON.parse(line)) });

beforeAll(async () => {
  stores = await createTestLedger();
  ledger = connectLedger(stores.url, 5000);
});
afterAll(async () => {
  await ledger.close();
  await stores[Symbol.asyncDispose]();
});

async function _newest() {
  expect(await verifyAudit(stores.sql)).toMatchObject({ status: "whole" });
  return readNewestAudit(stores.sql, 10);
}

test("a change has one audit entry in the same transaction, and its hash is logged", async () => {
  const before = (await _newest()).length;
  const trail = createAudit(forTenants(ledger), log).begin(request);
  await ledger.run((sql) => sql.begin((tx) => trail.done(tx, "/v1/keys/new")));
  await trail.end("done");

  const [entry, ...older] = await _newest();
  expect(older).toHaveLength(before);
  expect(entry).toMatchObject({ ...request, target: "/v1/keys/new", outcome: "done" });
  const { seq, hash } = entry!;
  expect(lines.at(-1)).toMatchObject({ msg: "audited", requestId: "r-1", seq, hash });
});

test("a rolled back change has only the audit entry of its failure", async () => {
  const before = (await _newest()).length;
  const trail = createAudit(forTenants(ledger), log).begin(request);
  const change = ledger.run((sql) =>
    sql.begin(async (tx) => {
      await trail.done(tx);
      throw new Error("the change failed");
    }),
  );
  await expect(change).rejects.toThrow("the change failed");
  await trail.end("internal-error");

  const [entry, ...older] = await _newest();
  expect(older).toHaveLength(before);
  expect(entry).toMatchObject({ ...request, outcome: "internal-error" });
});

test("refused requests and changes outside Postgres are audited after the response", async () => {
  for (const outcome of ["key-not-found", "done"]) {
    await createAudit(forTenants(ledger), log).begin(request).end(outcome);
    expect((await _newest())[0]).toMatchObject({ ...request, outcome });
  }
});

test("an audit entry that cannot be written is logged", async () => {
  const unavailable = connectLedger("postgres://nobody@127.0.0.1:1/nothing", 500);
  await createAudit(forTenants(unavailable), log).begin(request).end("at-capacity");
  await unavailable.close();

  expect(lines.at(-1)).toMatchObject({ ...request, outcome: "at-capacity", msg: "not audited" });
});

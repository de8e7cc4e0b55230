import { afterAll, beforeAll, expect, test } from "bun:test";
import { hashKey } from "@toril/contract/engine/api-keys/key-text";
import { createTestLedger, type TestLedger } from "../../contract/test/_stores.ts";
import { openDemoKey } from "../dev/demo/demo-key.ts";

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger[Symbol.asyncDispose]());

test("without API keys, the demo creates none", async () => {
  await using key = await openDemoKey(ledger.sql);
  expect(key.headers).toEqual({});
  expect(await ledger.sql`select from api_keys`).toHaveLength(0);
});

test("with API keys, the demo uses a key of its own and revokes it at the end", async () => {
  await ledger.sql`
    insert into api_keys (id, name, scopes, hash, revision) values ('1', 'first', '[]', '', 1)`;
  const key = await openDemoKey(ledger.sql);
  const hash = await hashKey(key.headers["authorization"]!.replace("Bearer ", ""));
  const read = () => ledger.sql`select scopes, revoked_at from api_keys where hash = ${hash}`;
  expect(await read()).toMatchObject([{ scopes: ["jobs:write", "jobs:read"], revoked_at: null }]);
  await key[Symbol.asyncDispose]();
  expect((await read())[0]!["revoked_at"]).toBeInstanceOf(Date);
});

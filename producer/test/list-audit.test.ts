import { afterAll, beforeAll, expect, test } from "bun:test";
import type { AuditEntry } from "@toril/contract/api/access/audit-entry";
import { appendAudit } from "@toril/contract/engine/audit/append-audit";
import { _bearer, _issue } from "./_keys.ts";
import {
  _expectProblem,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

let stores: _Stores;
let producer: _Producer;
let reader: { Authorization: string };

beforeAll(async () => {
  stores = await _openStores();
  producer = await _startProducer(stores);
  reader = _bearer((await _issue(stores, ["audit:read"])).key);
  for (const [index, action] of [
    "pauseQueue",
    "createKey",
    "pauseQueue",
    "resumeQueue",
  ].entries()) {
    await append({ action, target: `/v1/queues/q${index}/pause`, actor: `key:${index % 2}` });
    await append({ tenant: "acme", action, actor: "key:0" });
  }
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});

function append(changes: Partial<AuditEntry>) {
  const made = {
    actor: "key:0",
    tenant: "default",
    action: "pauseQueue",
    target: "/",
    outcome: "done",
  };
  return stores.sql.begin((tx) =>
    appendAudit(tx, { ...made, address: null, requestId: null, ...changes }),
  );
}

async function list(query: string, headers = reader): Promise<AuditEntry[]> {
  const answer = await producer.request(`/v1/audit?${query}`, { headers });
  expect(answer.status).toBe(200);
  return answer.body.items;
}

const seqs = (entries: AuditEntry[]) => entries.map(({ seq }) => seq);

test("the entries of the tenant are listed in pages, newest first", async () => {
  const found: number[] = [];
  let cursor = "";
  do {
    const answer = await producer.request(`/v1/audit?limit=3${cursor}`, { headers: reader });
    found.push(...seqs(answer.body.items));
    cursor = answer.body.next && `&cursor=${answer.body.next}`;
  } while (cursor);
  expect(found).toEqual([7, 5, 3, 1]);
});

test("another tenant's key finds its own entries only", async () => {
  const { key } = await _issue(stores, ["keys:admin"], { tenant: "acme" });
  for (const query of ["", "actor=key:0", "target=/"]) {
    expect(seqs(await list(query, _bearer(key)))).toEqual([8, 6, 4, 2]);
  }
});

test.each([
  ["actor=key:0", [5, 1]],
  ["action=pauseQueue", [5, 1]],
  ["action=pauseQueue&actor=key:1", []],
  ["target=/v1/queues/q2", [5]],
  ["target=/v1/queues/q2/pause", [5]],
  ["target=/v1/queues/q", []],
])("%s finds %j", async (query, expected) => {
  expect(seqs(await list(query))).toEqual(expected);
});

test("entries are found by time", async () => {
  const [, second] = await list("limit=2");
  const at = encodeURIComponent(second!.at);
  expect(seqs(await list(`after=${at}`))).toContain(second!.seq);
  expect(seqs(await list(`before=${at}`))).not.toContain(second!.seq);
  expect(await list(`before=2000-01-01T00:00:00Z`)).toEqual([]);
});

test("a filtered page looks at a bounded number of entries, and the next page continues", async () => {
  // Rows without hashes: only the reader is tested.
  await stores.sql.begin(async (tx) => {
    await tx`alter table audit_log disable trigger all`;
    await tx`
      insert into audit_log (seq, at, actor, tenant, action, target, outcome, previous, hash)
      select 1000 + n, now() + n * interval '1 ms', 'key:many', 'many', case n when 1 then 'rare' else 'often' end, '/', 'done', '', ''
      from generate_series(1, 6000) n`;
    await tx`alter table audit_log enable trigger all`;
  });
  const { key } = await _issue(stores, ["audit:read"], { tenant: "many" });
  const headers = _bearer(key);
  const first = await producer.request("/v1/audit?action=rare", { headers });
  expect(first.body.items).toEqual([]);
  const second = await producer.request(`/v1/audit?action=rare&cursor=${first.body.next}`, {
    headers,
  });
  expect([seqs(second.body.items), second.body.next]).toEqual([[1001], null]);
});

test("invalid parameters and restricted keys are refused", async () => {
  for (const query of ["cursor=x", "after=yesterday", "actor=", "unknown=1", "limit=501"]) {
    const answer = await producer.request(`/v1/audit?${query}`, { headers: reader });
    _expectProblem(answer, "invalid-parameter");
  }
  const { key } = await _issue(stores, ["audit:read"], { types: ["echo"] });
  const answer = await producer.request("/v1/audit", { headers: _bearer(key) });
  _expectProblem(answer, "forbidden-resource");
});

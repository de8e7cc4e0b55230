import { afterEach, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { _expectProblem, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(() => stores.clear());

function _send(
  body: RequestInit["body"],
  { query = "?type=row.import", type = "text/csv", ...headers }: Record<string, string> = {},
) {
  return producer.request(`/v1/imports${query}`, {
    method: "POST",
    headers: { "Content-Type": type, ...headers },
    body,
  });
}

const _data = async () =>
  (await stores.sql<{ data: { values: unknown } }[]>`select data from jobs order by id`).map(
    ({ data }) => data,
  );
const _values = async () => (await _data()).map(({ values }) => values);

const csv = Buffer.from(
  `a,b\n${Array.from({ length: 1200 }, (_, index) => `${index},${"x".repeat(250)}\n`).join("")}`,
);
const small = Buffer.from("a,b\n1,2\n3,4\n");

test.each([
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["ZSTD", zstdCompressSync],
] as const)("a file compressed with %s has the same rows", async (encoding, compress) => {
  const { body } = await _send(compress(small), { "Content-Encoding": encoding });
  expect(body).toMatchObject({ status: "running", counts: { read: 2, accepted: 2 } });
  expect(await _values()).toEqual([
    { a: "1", b: "2" },
    { a: "3", b: "4" },
  ]);
});

test("a gzip file of several members is read to its end", async () => {
  const members = [small.subarray(0, 7), small.subarray(7)].map((part) => gzipSync(part));
  const { body } = await _send(Buffer.concat(members), { "Content-Encoding": "gzip" });
  expect(body.counts).toMatchObject({ read: 2, accepted: 2 });
});

test.each([
  ["gzip", gzipSync],
  ["zstd", zstdCompressSync],
] as const)("%s data that ends early leaves the rows before", async (encoding, compress) => {
  const compressed = compress(csv);
  const cut = compressed.subarray(0, compressed.length - 6);
  const headers = { "Content-Encoding": encoding, "Idempotency-Key": encoding };
  const { detail } = _expectProblem(await _send(cut, headers), "invalid-csv");
  expect(detail).toContain(`The ${encoding} data is damaged or ends early.`);
  const [made] = (await producer.client.listImports()).items;
  expect(made).toMatchObject({ status: "failed", errors: [{ line: 0 }] });
  expect(made!.counts.accepted).toBeGreaterThan(400);
  expect(made!.counts.accepted).toBe(made!.counts.read);
  expect(await stores.count()).toMatchObject({ jobs: made!.counts.accepted });
  const { body } = await _send(csv, { "Idempotency-Key": encoding });
  expect(body).toMatchObject({ id: made!.id, counts: { read: 1200, accepted: 1200 } });
});

test("data that is not compressed, and an unknown Content-Encoding, are refused", async () => {
  for (const encoding of ["gzip", "zstd"]) {
    _expectProblem(await _send(small, { "Content-Encoding": encoding }), "invalid-csv");
  }
  _expectProblem(await _send(small, { "Content-Encoding": "br" }), "unsupported-media-type");
  expect(await stores.count()).toMatchObject({ jobs: 0 });
});

test("the parameter `encoding` overrides the charset of the Content-Type", async () => {
  const latin = Buffer.from("a\nZürich\n", "latin1");
  const type = "text/csv; charset=utf-8";
  const query = "?type=row.import&encoding=windows-1252";
  expect((await _send(latin, { query, type })).status).toBe(201);
  expect(await _values()).toEqual([{ a: "Zürich" }]);
  const { detail } = _expectProblem(await _send(latin), "invalid-csv");
  expect(detail).toContain("encoding=windows-1252");
  const unknown = await _send(latin, { query: "?type=row.import&encoding=none" });
  expect(_expectProblem(unknown, "invalid-parameter").errors?.[0]?.pointer).toBe("/encoding");
});

import { createHash } from "node:crypto";
import { afterEach, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { splitCsv } from "@toril/client";
import { _expectProblem, _json, _openProducer } from "./_producer.ts";

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
  (await stores.sql<{ data: Record<string, unknown> }[]>`select data from jobs order by id`).map(
    ({ data }) => data,
  );
const _values = async () => (await _data()).map((data) => data["values"]);

/** Creates an import that waits for its parts. */
const _define = async (definition: object) =>
  (await producer.request("/v1/imports", _json({ type: "row.import", ...definition }))).body
    .id as string;
const _put = (
  id: string,
  number: number,
  body: RequestInit["body"],
  { type = "text/csv", ...headers }: Record<string, string> = {},
) =>
  producer.request(`/v1/imports/${id}/parts/${number}`, {
    method: "PUT",
    headers: { "Content-Type": type, ...headers },
    body,
  });

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

const ndjson = { type: "application/x-ndjson" };

test("each line of an NDJSON file is a job whose values keep their types", async () => {
  const text = '\uFEFF{"message":"5","sleepMs":7}\r\n\n{"message":"x","failures":1}';
  const { body } = await _send(text, { ...ndjson, query: "?type=echo" });
  expect(body.counts).toMatchObject({ read: 2, accepted: 2, rejected: 0 });
  expect(await _data()).toEqual([
    { message: "5", sleepMs: 7 },
    { message: "x", failures: 1 },
  ]);
  const quoted = await _send('{"message":"x","sleepMs":"7"}', { ...ndjson, query: "?type=echo" });
  expect(quoted.body.counts).toMatchObject({ read: 1, rejected: 1 });
});

test("a job type that converts rows gets the values of NDJSON as text", async () => {
  const object = { a: 1.5, b: true, c: null, d: [{ e: "f" }], g: "h" };
  const body = zstdCompressSync(JSON.stringify(object));
  expect((await _send(body, { ...ndjson, "Content-Encoding": "zstd" })).status).toBe(201);
  expect(await _values()).toEqual([{ a: "1.5", b: "true", c: "", d: '[{"e":"f"}]', g: "h" }]);
});

test("lines that are no object or have no key are rejected one by one", async () => {
  const lines = ['{"message":"a","id":1}', "[1]", '{"a":', '{"message":"b"}', '{"id":1e999}'];
  const query = "?type=echo&key=id&unknownColumns=ignore";
  const { body } = await _send(lines.join("\n"), { ...ndjson, query });
  expect(body.counts).toMatchObject({ read: 5, accepted: 1, rejected: 4 });
  expect(
    (body.errors as { line: number; problem: { type: string } }[]).map(
      ({ line, problem }) => `${line} ${problem.type.split(":").at(-1)}`,
    ),
  ).toEqual(["2 invalid-json", "3 invalid-json", "4 invalid-job", "5 unstorable-json"]);
  expect(await stores.sql`select key from jobs`).toMatchObject([{ key: "1" }]);
  const report = await fetch(new URL(`/v1/imports/${body.id}/errors`, producer.url));
  expect(JSON.parse((await report.text()).split("\n")[1]!)).toMatchObject({
    line: 3,
    text: '{"a":',
  });
});

test("NDJSON is read across the slices of the body, and a line may be as long as a row", async () => {
  const lines = Array.from({ length: 700 }, (_, index) =>
    JSON.stringify({ message: `${index}`.padEnd(index % 97, "é") }),
  );
  const { body } = await _send(lines.join("\n"), { ...ndjson, query: "?type=echo" });
  expect(body.counts).toMatchObject({ read: 700, accepted: 700 });
  expect((await _data()).map((data) => JSON.stringify(data)).toSorted()).toEqual(lines.toSorted());
  const long = `{"message":"a"}\n{"message":"${"x".repeat(1_000_000)}"}\n`;
  const { detail } = _expectProblem(
    await _send(long, { ...ndjson, query: "?type=echo" }),
    "invalid-json",
  );
  expect(detail).toContain("Line 2: The line is longer than 1000000 bytes.");
  _expectProblem(
    await _send("{}", { ...ndjson, query: "?type=echo&encoding=utf-8" }),
    "invalid-parameter",
  );
});

test("a JSON array is read element by element, compressed or not", async () => {
  const json = { type: "application/json", query: "?type=echo&key={message}&maxErrors=5" };
  const rows = Array.from({ length: 700 }, (_, index) => ({ message: `${index}`, sleepMs: index }));
  const text = JSON.stringify([...rows, { message: "0" }, "no object"], null, 1);
  const headers = { "Content-Encoding": "zstd", "Idempotency-Key": "array" };
  const { body } = await _send(zstdCompressSync(text), { ...json, ...headers });
  expect(body.counts).toMatchObject({ read: 702, accepted: 700, duplicate: 1, rejected: 1 });
  expect(body.errors).toMatchObject([{ line: text.split("\n").length - 1 }]);
  expect((await _data()).toSorted((a, b) => Number(a["sleepMs"]) - Number(b["sleepMs"]))).toEqual(
    rows,
  );
  expect((await _send(text, { ...json, "Idempotency-Key": "array" })).body.id).toBe(body.id);
  const object = await _send('{"type":"echo"}', json);
  expect(_expectProblem(object, "invalid-json").detail).toContain("must be an array of objects");
  const cut = await _send(text.slice(0, -9), json);
  expect(_expectProblem(cut, "invalid-json").detail).toContain("ends within the array");
});

test("a `sep=` line sets the delimiter, and a Ctrl-Z at the end is ignored", async () => {
  const rows = [
    { a: "1", b: "x;y" },
    { a: "2", b: "," },
  ];
  const made = await _send('sep=;\r\na;b\r\n1;"x;y"\r\n\r\n2;,\r\n\x1A');
  expect(made.body.counts).toMatchObject({ read: 2, accepted: 2, rejected: 0 });
  expect(await _values()).toEqual(rows);
  const { body } = await _send("sep=\t\na\tb\n1\n");
  expect(body.errors).toMatchObject([{ line: 3 }]);
  const unnamed = await _send("sep=|\n1|2\n", { query: "?type=row.import&header=absent" });
  expect(unnamed.body.counts).toMatchObject({ accepted: 1 });
  expect((await _values()).at(-1)).toEqual({ column1: "1", column2: "2" });
});

test.each([
  ["a;b;c\n1;2;3\n", "The first line contains 2 semicolons: use delimiter=semicolon."],
  ["a\tb\n", "The first line contains 1 tab: use delimiter=tab."],
  ["5,a\n", "send header=absent if the line is data, else header=present"],
  ["a\0,\0b\0\n", "send encoding=utf-16le"],
])("the error of %j names the parameter to send", async (file, hint) => {
  expect(_expectProblem(await _send(file), "invalid-csv").detail).toContain(hint);
});

test("hints and `sep=` lines also serve parts", async () => {
  const put = async (file: RequestInit["body"], definition: object = {}) =>
    _put(await _define({ columns: ["a", "b"], ...definition }), 1, file);
  for (const [file, hint] of [
    ["a;b\n", "The first line contains 1 semicolon: use delimiter=semicolon."],
    ["sep=;\na;b\n", 'The first line sets the delimiter ";": use delimiter=semicolon.'],
    [Buffer.from("a,b\nZürich,1\n", "latin1"), "encoding=windows-1252"],
  ] as const) {
    expect(_expectProblem(await put(file), "invalid-csv").detail).toContain(hint);
  }
  const made = await put("sep=;\na;b\n1;2\n;\n\x1A", { delimiter: "semicolon" });
  expect(made.body.counts).toMatchObject({ read: 1, accepted: 1 });
  const years = { columns: ["2025", "2026"] };
  expect((await put("2025,2026\n1,2\n", years)).body.counts).toMatchObject({ accepted: 1 });
  const query = "?type=row.import&header=present";
  expect((await _send("2025,b,\n1,2,\n,,\n", { query })).body.counts).toMatchObject({ read: 1 });
  expect((await _values()).at(-1)).toEqual({ "2025": "1", b: "2" });
});

test.each([
  ["a;b\n1;2\n", "use delimiter=semicolon"],
  ["a\0,\0b\0\n1\0,\0x\0\n", "send encoding=utf-16le"],
])("a part whose header %j is invalid says why, and sets no columns", async (file, hint) => {
  const id = await _define({});
  expect(_expectProblem(await _put(id, 1, file), "invalid-csv").detail).toContain(hint);
  _expectProblem(await _put(id, 2, "3;4\n"), "import-header-missing");
});

test("a part after the first leaves out the columns without a name too", async () => {
  const id = await _define({});
  expect((await _put(id, 1, "a,b,,\n1,2,,\n")).body.counts).toMatchObject({ accepted: 1 });
  const second = await _put(id, 2, "3,4,,\n,,,\n5,6,,7\n");
  expect(second.body.counts).toMatchObject({ read: 2, accepted: 1, rejected: 1 });
  expect((await _values()).at(-1)).toEqual({ a: "3", b: "4" });
});

const eight: [string, Record<string, string>, (text: string) => Buffer][] = [
  ["UTF-8", {}, (text) => Buffer.from(text)],
  ["UTF-8 with a mark", {}, (text) => Buffer.from(`\uFEFF${text}`)],
  ["UTF-16LE with a mark", {}, (text) => Buffer.from(`\uFEFF${text}`, "utf16le")],
  ["UTF-16BE with a mark", {}, (text) => Buffer.from(`\uFEFF${text}`, "utf16le").swap16()],
  ["UTF-16LE", { encoding: "utf-16le" }, (text) => Buffer.from(text, "utf16le")],
  ["UTF-16BE", { encoding: "utf-16be" }, (text) => Buffer.from(text, "utf16le").swap16()],
  ["windows-1252", { encoding: "windows-1252" }, (text) => Buffer.from(text, "latin1")],
  ["ISO-8859-15", { encoding: "iso-8859-15" }, (text) => Buffer.from(text, "latin1")],
];

test.each(eight)(
  "a file in %s has the same rows, in one request and in parts",
  async (_, encoding, encode) => {
    const file = encode('stadt;straße\r\nZürich;"Seestraße ""3"";\nÜber"\r\nKøbenhavn;Å\r\n');
    const rows = [
      { stadt: "Zürich", straße: 'Seestraße "3";\nÜber' },
      { stadt: "København", straße: "Å" },
    ];
    const parameters = { type: "row.import", delimiter: ";", ...encoding };
    expect(
      (await _send(file, { query: `?${String(new URLSearchParams(parameters))}` })).status,
    ).toBe(201);
    expect(await _values()).toEqual(rows);
    const id = await _define({ delimiter: ";", ...encoding });
    for await (const { number, bytes } of splitCsv([file], {
      delimiter: ";",
      partBytes: 50,
      ...encoding,
    })) {
      expect((await _put(id, number, bytes)).status).toBe(201);
    }
    expect((await _values()).slice(2)).toEqual(rows);
  },
);

test("a quoted column name may contain a delimiter", async () => {
  expect((await _send('"a;b"\n1\n')).status).toBe(201);
  expect(await _values()).toEqual([{ "a;b": "1" }]);
});

test.each([
  ["gzip", gzipSync],
  ["zstd", zstdCompressSync],
] as const)("a part compressed with %s is the same part", async (encoding, compress) => {
  const id = await _define({ columns: ["a", "b"] });
  const compressed = compress(small);
  const digest = createHash("sha256").update(compressed).digest("base64");
  const headers = {
    "Content-Encoding": encoding,
    "Content-Digest": `sha-256=:${digest}:`,
    "Content-Range": `bytes 0-${small.length - 1}/*`,
  };
  const { status, body } = await _put(id, 1, compressed, headers);
  expect([status, body.counts.accepted, body.bytes]).toEqual([201, 2, small.length]);
  const again = await _put(id, 1, small);
  expect([again.status, again.body]).toEqual([200, body]);
  _expectProblem(await _put(id, 2, compress(csv), headers), "digest-mismatch");
  const cut = await _put(id, 2, compressed.subarray(0, -6), { "Content-Encoding": encoding });
  expect(_expectProblem(cut, "invalid-csv").detail).toContain("damaged or ends early");
  const bomb = compress(Buffer.alloc(8_000_001, "1,2\n"));
  _expectProblem(await _put(id, 2, bomb, { "Content-Encoding": encoding }), "body-too-large");
  _expectProblem(await _put(id, 2, small, { "Content-Encoding": "br" }), "unsupported-media-type");
  expect(await stores.count()).toMatchObject({ jobs: 2 });
});

const options = { priority: 7, keyPolicy: { type: "once", windowMs: 60_000 } };
const mapping = {
  message: "text",
  sleepMs: { column: "delay", type: "number" },
  failures: { value: 2 },
};
const mapped = [
  { data: { message: "a", sleepMs: 7, failures: 2 }, key: "1", priority: 7 },
  { data: { message: "b", failures: 2 }, key: "2", priority: 7 },
];
const _jobs = () => stores.sql`
  select data, key, (options->>'priority')::int as priority from jobs order by data->>'message'`;

test("an NDJSON import in parts has a mapping, a key, options and an error report", async () => {
  const id = await _define({ type: "echo", format: "ndjson", mapping, options, key: "{id}" });
  const second = await _put(id, 2, '{"text":"b","delay":null,"id":2}\n\n[]', ndjson);
  expect(second.body.counts).toEqual({ read: 2, accepted: 1, duplicate: 0, rejected: 1 });
  const lines =
    '{"text":"a","delay":"7","id":"1"}\n{"text":"c","id":2}\n{"text":"d","delay":[],"id":3}';
  const first = await _put(id, 1, gzipSync(lines), { ...ndjson, "Content-Encoding": "gzip" });
  expect(first.body.counts).toEqual({ read: 3, accepted: 1, duplicate: 1, rejected: 1 });
  expect(await _jobs()).toMatchObject(mapped);
  const report = await fetch(new URL(`/v1/imports/${id}/errors`, producer.url));
  const errors = (await report.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(errors).toMatchObject([
    {
      row: 3,
      part: 1,
      line: 3,
      field: "/data/sleepMs",
      reason: 'Column "delay": not a number: [].',
    },
    { row: 5, part: 2, line: 3, type: "invalid-json", text: "[]" },
  ]);
  _expectProblem(await _put(id, 3, "a\n"), "unsupported-media-type");
  expect(await producer.client.completeImport(id, 2)).toMatchObject({ status: "running" });
  const refused = await producer.request(
    "/v1/imports",
    _json({ type: "echo", format: "ndjson", columns: ["a"] }),
  );
  expect(_expectProblem(refused, "invalid-import").errors?.[0]?.pointer).toBe("/columns");
});

test.each([
  ["text/csv", "text,delay,id\na,7,1\nb,,2\nc,,2\n"],
  [
    "application/x-ndjson",
    '{"text":"a","delay":7,"id":1}\n{"text":"b","id":"2"}\n{"text":"c","delay":"","id":2}\n',
  ],
])("a file of %s in one request takes mapping and options as JSON", async (type, file) => {
  const _query = (parameters: Record<string, string>) =>
    `?${String(new URLSearchParams({ type: "echo", ...parameters }))}`;
  const texts = { mapping: JSON.stringify(mapping), options: JSON.stringify(options) };
  const { body } = await _send(file, { type, query: _query({ key: "id", ...texts }) });
  expect(body.counts).toMatchObject({ read: 3, accepted: 2, duplicate: 1, rejected: 0 });
  expect(await _jobs()).toMatchObject(mapped);
  for (const [parameters, pointer] of [
    [{ mapping: "{" }, "/mapping"],
    [{ mapping: '{"a":{"column":""}}' }, "/mapping/a/column"],
    [{ options: '{"priority":"high"}' }, "/options/priority"],
    [{ options: '{"priority":1,"priority":2}' }, "/options/priority"],
  ] as const) {
    const refused = await _send(file, { type, query: _query(parameters) });
    expect(_expectProblem(refused, "invalid-parameter").errors?.[0]?.pointer).toBe(pointer);
  }
});

import { afterEach, describe, expect, test } from "bun:test";
import type { Import } from "@toril/contract/api/import";
import { type _Answer, _expectProblem, _nothing, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(() => stores.clear());

function accepted(answer: _Answer): Import {
  expect(answer.status, answer.text).toBe(201);
  expect(answer.headers.get("location")).toBe(`/v1/imports/${answer.body.id}`);
  return answer.body;
}

/** Returns the values of an import's row.import jobs, in file order. */
async function getValues({ id }: Import) {
  const rows = await stores.sql<{ data: { importId: string; row: number; values: unknown } }[]>`
    select data from jobs where import_id = ${id} order by (data->>'row')::int`;
  expect(rows.every(({ data }) => data.importId === id)).toBe(true);
  return rows.map(({ data }) => data.values);
}

const feed = await Bun.file(new URL("../../ops/examples/feed.rss.xml", import.meta.url)).text();
const rss = "application/rss+xml";

const _rss = (items: string) => `<rss><channel><title>T</title>${items}</channel></rss>`;

describe("a file is refused as a whole", () => {
  afterEach(async () => expect(await stores.count()).toEqual(_nothing));

  test.each([
    ["a quote that is not closed", 'a,b\n1,2\n3,"4\n5,6\n', 3],
    ["a first line that is blank", "\na,b\n1,2\n", 1],
    ["a first line that is data", "1,2\n3,4\n", 1],
    ["two columns of one name", "a,a\n1,2\n", 1],
    ["a column without a name", "a,,b\n1,2,3\n", 1],
    ["a column __proto__", "a,__proto__\n1,2\n", 1],
    ["a NUL in its first line", "a,b\0\n1,2\n", 1],
    [
      "bytes that are not UTF-8",
      Buffer.concat([Buffer.from("a,b\n1,2\n3,"), Buffer.of(0xe9, 0x0a)]),
      3,
    ],
    ["a row over 1 MB", `a,b\n1,2\n3,${"x".repeat(1_100_000)}\n`, 3],
  ])("a CSV with %s", async (_, body, line) => {
    const problem = _expectProblem(await producer.csv(body), "invalid-csv");
    expect(problem.detail).toStartWith(`Line ${line}: `);
  });

  test("an invalid CSV that arrives in small pieces", async () => {
    const pieces = ["a,b\n", ...Array.from({ length: 300 }, (_, n) => `${n},x\n`), '300,"x'];
    const body = new ReadableStream({
      async pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(Buffer.from(piece));
        await new Promise(setImmediate);
      },
    });
    _expectProblem(await producer.csv(body), "invalid-csv");
  });

  test("an endless invalid CSV, before it is read completely", async () => {
    const text = Buffer.from("x".repeat(65_536));
    let sent = 0;
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('message\n"a"b\n"c\n')),
      pull(controller) {
        if ((sent += text.length) > 100_000_000) controller.error(new Error("it reads on"));
        else controller.enqueue(text);
      },
    });
    _expectProblem(await producer.csv(body, "?type=echo"), "invalid-csv");
  });

  test("an empty file", async () => {
    _expectProblem(await producer.csv(""), "empty-body");
    _expectProblem(await producer.csv("", "?type=feed.item&source=s", rss), "empty-body");
  });

  test.each([
    ["", "/type"],
    ["?type=nope", "/type"],
    ["?type=row.import&delimiter=%22", "/delimiter"],
    ["?type=row.import&delimeter=tab", "/delimeter"],
    [`?type=feed.item&source=${"s".repeat(256)}`, "/source"],
  ])("a file sent to /v1/imports%s", async (query, pointer) => {
    const problem = _expectProblem(await producer.csv("a\n1\n", query), "invalid-parameter");
    expect(problem.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  test.each(["application/jsonx", "text/html", "application/xml", "text/csvx"])(
    "a file of media type %s",
    async (contentType) => {
      const answer = await producer.csv("a\n1\n", "?type=row.import", contentType);
      _expectProblem(answer, "unsupported-media-type");
    },
  );

  test("a file in an unknown charset", async () => {
    const answer = await producer.csv("a\n1\n", "?type=row.import", "text/csv; charset=klingon");
    _expectProblem(answer, "invalid-csv");
  });

  test("a feed without a source, or for another type", async () => {
    for (const [query, pointer] of [
      ["?type=feed.item", "/source"],
      ["?type=row.import&source=s", "/type"],
    ]) {
      const problem = _expectProblem(await producer.csv(feed, query, rss), "invalid-parameter");
      expect(problem.errors?.[0]?.pointer).toBe(pointer);
    }
  });

  test("text that is not a feed", async () => {
    for (const text of ["<html></html>", "{}", "a,b\n1,2\n", '<?xml version="1.0"?><rss']) {
      const answer = await producer.csv(text, "?type=feed.item&source=s", rss);
      _expectProblem(answer, "invalid-feed");
    }
  });

  test("a feed with too many items", async () => {
    const answer = await producer.csv(
      _rss("<item/>".repeat(200_000)),
      "?type=feed.item&source=s",
      rss,
    );
    expect(_expectProblem(answer, "invalid-feed").detail).toBe(
      "The feed has more than 10000 items.",
    );
  });
});

test("other requests are answered while a feed is parsed", async () => {
  const categories = Array.from({ length: 120 }, (_, n) => `<category>${n}</category>`).join("");
  const items = Array.from(
    { length: 510 },
    (_, n) => `<item><guid>${n}</guid>${categories}</item>`,
  );
  const progress = { isDone: false };
  const importing = producer.csv(_rss(items.join("")), "?type=feed.item&source=s", rss);
  void importing.finally(() => (progress.isDone = true)).catch(() => {});
  let answered = 0;
  while (!progress.isDone) {
    await fetch(new URL("/livez", producer.url));
    answered += 1;
  }
  expect(accepted(await importing).counts).toMatchObject({ read: 510, accepted: 510 });
  expect(answered).toBeGreaterThan(10);
});

test("a CSV that is invalid after its first chunk leaves a failed import with the line", async () => {
  const rows = "1,2\n".repeat(1200);
  const problem = _expectProblem(await producer.csv(`a,b\n${rows}3,"4`), "invalid-csv");
  const [row] = await stores.sql<{ id: string }[]>`select id from imports`;
  expect(problem.detail).toStartWith("Line 1202: ");
  expect(problem.detail).toContain(row!.id);
  const made = await producer.client.getImport(row!.id);
  expect(made).toMatchObject({ status: "failed", counts: { read: 1200, accepted: 1200 } });
  expect(made.errors.map(({ line }) => line)).toEqual([1202]);
  expect(await stores.count()).toMatchObject({ jobs: 1200, dispatched: 1200 });
});

test("invalid rows are reported with their line and skipped", async () => {
  const csv = 'a,b\n1,2\n3\n4,5,6\n"x\ny",7\n8,"9"0\n"",\n10,1\0\n11,12\n';
  const made = accepted(await producer.csv(csv));
  expect(made.counts).toMatchObject({ read: 8, accepted: 4, duplicate: 0, rejected: 4 });
  expect(made.errors.map(({ line }) => line)).toEqual([3, 4, 7, 9]);
  expect(new Set(made.errors.map(({ problem }) => problem.type))).toEqual(
    new Set(["urn:toril:problem:invalid-csv"]),
  );
  expect(await getValues(made)).toEqual([
    { a: "1", b: "2" },
    { a: "x\ny", b: "7" },
    { a: "", b: "" },
    { a: "11", b: "12" },
  ]);
});

test("the errors of an import are limited to the first hundred", async () => {
  const made = accepted(await producer.csv(`a,b\n${"1\n".repeat(3000)}1,2\n`));
  expect(made.counts).toMatchObject({ read: 3001, accepted: 1, rejected: 3000 });
  expect(made.errors.map(({ line }) => line)).toEqual(Array.from({ length: 100 }, (_, n) => n + 2));
});

test("an import whose rows were all rejected is failed", async () => {
  const made = accepted(await producer.csv("a,b\n1\n2\n"));
  expect(made).toMatchObject({ status: "failed", counts: { read: 2, accepted: 0, rejected: 2 } });
  const found: unknown = await producer.client.getImport(made.id);
  expect(found).toEqual(made);
});

test("large errors are left out of an import", async () => {
  const name = "n".repeat(500_000);
  const made = accepted(await producer.csv(`message,${name}\n${"a,b\n".repeat(50)}`, "?type=echo"));
  expect(made.counts.rejected).toBe(50);
  expect(JSON.stringify(made).length).toBeLessThan(1_000_000);
});

test("a file with only a header is an empty import", async () => {
  const made = accepted(await producer.csv("a,b\n"));
  expect(made).toMatchObject({ status: "done", counts: { read: 0, accepted: 0 } });
});

test("values are the strings of the file, verbatim", async () => {
  const made = accepted(
    await producer.csv(
      'id,text\n007, a \n"",null\n1e3,NULL\n"a ""b""","x, y"\nconstructor,\u{1F402}\n',
    ),
  );
  expect(await getValues(made)).toEqual([
    { id: "007", text: " a " },
    { id: "", text: "null" },
    { id: "1e3", text: "NULL" },
    { id: 'a "b"', text: "x, y" },
    { id: "constructor", text: "\u{1F402}" },
  ]);
});

test.each([
  ["a byte order mark", "\uFEFFa,b\r\n1,2\r\n", "", "text/csv"],
  ["semicolons", "a;b\n1;2\n", "&delimiter=;", "text/csv"],
  ["semicolons by name", "a;b\n1;2\n", "&delimiter=semicolon", "text/csv"],
  ["tabs", "a\tb\n1\t2\n", "&delimiter=tab", "TEXT/CSV; header=present"],
  ["no line break at its end", "a,b\n1,2", "", "text/csv;charset=UTF-8"],
  [
    "a byte order mark of the other UTF-16",
    Buffer.from("\uFEFFa,b\n1,2\n", "utf16le").swap16(),
    "",
    "text/csv; charset=utf-16",
  ],
])("a file with %s is read", async (_, csv, query, contentType) => {
  const made = accepted(await producer.csv(csv, `?type=row.import${query}`, contentType));
  expect(await getValues(made)).toEqual([{ a: "1", b: "2" }]);
});

test("a file is decoded with the charset of its Content-Type", async () => {
  const csv = Buffer.from("name\ncaf\xe9\n", "latin1");
  const made = accepted(await producer.csv(csv, "?type=row.import", 'text/csv; charset="latin1"'));
  expect(await getValues(made)).toEqual([{ name: "café" }]);
});

test("columns become fields of the job type, and numbers where its schema has numbers", async () => {
  const csv = "message,sleepMs,failures\n123,5,\nb,007,1\nc,1e400,\nd,,0\ne,1e3,1.5\n";
  const made = accepted(await producer.csv(csv, "?type=echo"));
  expect(made.counts).toMatchObject({ read: 5, accepted: 2, rejected: 3 });
  expect(made.errors.map(({ line, problem }) => [line, problem.errors?.[0]?.pointer])).toEqual([
    [3, "/data/sleepMs"],
    [4, "/data/sleepMs"],
    [6, "/data/failures"],
  ]);
  const rows = await stores.sql`select data from jobs order by id`;
  expect(rows.map(({ data }) => data)).toEqual([
    { message: "123", sleepMs: 5 },
    { message: "d", failures: 0 },
  ]);
});

test("an import is running until its jobs have ended", async () => {
  const made = accepted(await producer.csv("a\n1\n2\n"));
  expect(made.status).toBe("running");
  await stores.sql`update imports set completed = 1, dead = 1 where id = ${made.id}`;
  expect(await producer.client.getImport(made.id)).toMatchObject({
    status: "done",
    counts: { completed: 1, dead: 1 },
  });
});

test("an import whose producer died becomes failed", async () => {
  const made = accepted(await producer.csv("a\n1\n"));
  await stores.sql`update imports set status = 'receiving', touched_at = now()`;
  expect(await producer.client.getImport(made.id)).toMatchObject({ status: "receiving" });
  await stores.sql`update imports set touched_at = now() - interval '2 minutes'`;
  expect(await producer.client.getImport(made.id)).toMatchObject({ status: "failed" });
});

test("a feed becomes one job per item, without duplicates of pending jobs", async () => {
  const query = "?type=feed.item&source=example";
  const first = accepted(await producer.csv(feed, query, `${rss}; charset=utf-8`));
  const items = first.counts.read;
  expect(items).toBe(feed.match(/<item[ >]/g)!.length);
  expect(first.counts).toMatchObject({ accepted: items, duplicate: 0, rejected: 0 });
  const second = accepted(await producer.csv(feed, query, rss));
  expect(second.counts).toMatchObject({ read: items, accepted: 0, duplicate: items });
  expect(second.status).toBe("done");
  const other = accepted(await producer.csv(feed, "?type=feed.item&source=other", rss));
  expect(other.counts).toMatchObject({ accepted: items });
});

test("the typed client sends the encoding of a file, and where its end is reported", async () => {
  const body = new Blob([Buffer.from("a\ncaf\xe9\n", "latin1")]);
  const query = { type: "row.import", encoding: "windows-1252" } as const;
  const made = await producer.client.createImport(body, query);
  const [job] = (await producer.client.listJobs({ importId: made.id })).items;
  expect((await producer.client.getJob(job!.id)).data).toMatchObject({ values: { a: "café" } });
  // No webhook permits it.
  const callbackUrl = "https://example.org/";
  await expect(producer.client.createImport(body, { ...query, callbackUrl })).rejects.toMatchObject(
    { problem: { errors: [{ pointer: "/callbackUrl" }] } },
  );
});

test("the typed client sends a stream and lists the jobs of the import", async () => {
  const body = new Blob([`a\n${Array.from({ length: 700 }, (_, n) => n).join("\n")}\n`]).stream();
  const made = await producer.client.createImport(body, { type: "row.import" });
  expect(made.counts.accepted).toBe(700);
  const page = await producer.client.listJobs({ importId: made.id, limit: 100 });
  expect(
    page.items.every(({ importId, state }) => importId === made.id && state === "waiting"),
  ).toBe(true);
  const next = await producer.client.listJobs({ importId: made.id, cursor: page.next! });
  expect(new Set([...page.items, ...next.items].map(({ id }) => id)).size).toBe(150);
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  DeadLetterPage,
  Import,
  JobDetail,
  JobPage,
  QueueList,
  SchedulePage,
} from "@toril/client";
import { type Client, createClient } from "@toril/client";
import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { _runCommand } from "../cli/_run-command.ts";
import type { CommandContext } from "../cli/command.ts";
import { sendFile } from "../cli/import/send-file.ts";
import { startStack, type Stack, root } from "./_stack.ts";

const unknownId = "01920000-0000-7000-8000-000000000000";

let stack: Stack;
let env: Record<string, string>;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "toril-cli-"));
  stack = await startStack();
  env = { TORIL_URL: stack.producers[0]!.url, HOME: dir };
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await stack[Symbol.asyncDispose]();
});

const toril = (args: string | readonly string[], input: string | Uint8Array<ArrayBuffer> = "") =>
  _runCommand(args, { env, input });

async function enqueueEcho(data: object, options: readonly string[] = []): Promise<string> {
  const args = ["enqueue", "echo", "--data", JSON.stringify(data), ...options];
  const { code, output, errors } = await toril(args);
  expect([code, errors]).toEqual([0, ""]);
  return output;
}

async function waitForStatus(id: string, status: string): Promise<void> {
  await stack.until(`job ${id} is ${status}`, async () => {
    const { json } = await toril(`job ${id} --json`);
    return (json as JobDetail).status === status ? true : undefined;
  });
}

test("a job is enqueued from standard input, waited for and printed", async () => {
  const waited = await toril(
    "enqueue echo --data - --wait 60s --dedup-key k1 --labels a,b --json",
    '{"message":"hello"}',
  );
  expect(waited.code).toBe(0);
  expect(waited.json).toMatchObject({
    status: "completed",
    key: "k1",
    labels: ["a", "b"],
    data: { message: "hello" },
  });
  const { output } = await toril(`job ${(waited.json as JobDetail).id}`);
  expect(output).toMatch(/^status +completed$/m);
  expect(output).toContain('{"message":"hello"}');
  expect(output).toMatch(/^1 +completed /m);
});

test("a job that does not end while it is waited for is printed, with exit code 1", async () => {
  const data = JSON.stringify({ message: "m" });
  const command = "enqueue echo --delay 1h --wait 1s --json --data".split(" ");
  const { code, errors, json } = await toril([...command, data]);
  expect([code, errors]).toEqual([1, expect.stringContaining("was not finished within 1000 ms")]);
  expect(json).toMatchObject({ status: "pending", data: { message: "m" } });
});

test("a job that ends dead is exit code 1; then it is a dead letter, and is redriven", async () => {
  const data = JSON.stringify({ message: "m", failures: 1 });
  const dead = await toril([
    ..."enqueue echo --attempts 1 --wait 60s --labels planted --json --data".split(" "),
    data,
  ]);
  expect(dead.code).toBe(1);
  const { id, status } = dead.json as JobDetail;
  expect(status).toBe("dead");

  expect((await toril("dead --label planted")).output).toContain(id);
  expect(((await toril("dead --json")).json as DeadLetterPage).items).toHaveLength(1);
  expect((await toril("dead --summary --json")).json).toMatchObject({ groups: [{ count: 1 }] });

  const preview = await toril("redrive --label planted --json");
  expect(preview).toMatchObject({ code: 0, json: { matches: 1 } });
  expect(preview.errors).toContain("--yes");
  expect((await toril(`job ${id} --json`)).json).toMatchObject({ status: "dead" });

  const redriven = await toril("redrive --label planted --rate 100 --yes --wait --json");
  expect(redriven.code).toBe(0);
  expect(redriven.json).toMatchObject({
    status: "done",
    counts: { changed: 1 },
    ratePerSecond: 100,
  });
  await waitForStatus(id, "dead");
  const all = await toril("redrive --all --yes --wait --json");
  expect(all).toMatchObject({ code: 0, json: { status: "done", counts: { changed: 1 } } });
  await waitForStatus(id, "dead");
  expect((await toril(`redrive ${id}`)).output).toBe(`${id}  redriven`);
  expect((await toril(`redrive ${unknownId}`)).code).toBe(3);
  expect((await toril(`redrive ${id} ${unknownId} --json`)).code).toBe(7);
});

test("delayed jobs are listed, promoted and cancelled, each with its own outcome", async () => {
  const delay = ["--delay", "1h", "--labels", "later"];
  const [first, second] = [
    await enqueueEcho({ message: "1" }, delay),
    await enqueueEcho({ message: "2" }, delay),
  ];
  const list = (await toril("jobs --label later --limit 1 --json")).json as JobPage;
  expect(list.items.map(({ id }) => id)).toEqual([second]);
  const rest = (await toril(`jobs --label later --cursor ${list.next} --json`)).json as JobPage;
  expect(rest.items.map(({ id }) => id)).toEqual([first]);
  expect((await toril("jobs --type echo --status pending")).output).toContain(first);

  expect((await toril(`promote ${first}`)).code).toBe(0);
  await waitForStatus(first, "completed");
  const cancelled = await toril(`cancel ${first} ${second} ${unknownId} --json`);
  expect(cancelled.code).toBe(7);
  expect(cancelled.json).toMatchObject({
    results: [
      { id: first, outcome: "refused", problem: { status: 409 } },
      { id: second, outcome: "changed", job: { status: "cancelled" } },
      { id: unknownId, outcome: "refused", problem: { status: 404 } },
    ],
  });
  expect((await toril(`cancel ${first}`)).code).toBe(4);
  expect((await toril(`retry ${second}`)).code).toBe(0);
});

test("tail prints the events of a job until it is finished, as NDJSON with --json", async () => {
  const id = await enqueueEcho({ message: "watched", sleepMs: 50 });
  const { code, output } = await toril(`tail --job ${id} --json`);
  expect(code).toBe(0);
  const events = output.split("\n").map((line) => JSON.parse(line) as object);
  expect(events.at(-1)).toMatchObject({ data: { id, status: "completed" } });
  expect((await toril(`tail --job ${id}`)).output).toMatch(/completed .* echo/);
});

test("tail ends at Ctrl-C with the reason of the signal", async () => {
  const interruption = new AbortController();
  let isSeen = false;
  const tail = _runCommand("tail --type echo --events completed --json", {
    env,
    signal: interruption.signal,
    print: () => (isSeen = true),
  });
  // Only events after the connection are part of the stream.
  await stack.until("an event arrives", async () => {
    await enqueueEcho({ message: "m" });
    return isSeen || undefined;
  });
  interruption.abort(new Error("interrupted"));
  await expect(tail).rejects.toThrow("interrupted");
});

test("a graph is enqueued from a file and shown with its children", async () => {
  const echo = (message: string, failures?: number) => ({
    type: "echo",
    attempts: 1,
    data: { message, failures },
  });
  const path = join(dir, "graph.json");
  const children = [
    { job: echo("a") },
    { job: echo("b", 1), onFailure: "ignoreDependencyOnFailure" },
  ];
  writeFileSync(path, JSON.stringify({ job: echo("root"), children }));
  const created = await toril(`graph create ${path} --wait 60s --json`);
  expect(created, created.errors).toMatchObject({ code: 0, json: { status: "completed" } });
  const { id } = created.json as JobDetail;
  const { output } = await toril(`graph show ${id}`);
  expect(output).toMatch(/^children +2: 1 completed, 1 dead$/m);
  expect(output).toMatch(/^[-\da-f]{36} +echo +default +completed +1\/1 /m);
  const dead = (await toril(`graph show ${id} --status dead --json`)).json;
  expect(dead).toMatchObject({ job: { id }, items: [{ status: "dead" }], next: null });

  const failing = JSON.stringify({ job: echo("root"), children: [{ job: echo("c", 1) }] });
  expect((await toril("graph create - --wait 60s", failing)).code).toBe(1);
  const invalid = await toril("graph create -", JSON.stringify({ job: echo("root") }));
  expect(invalid.code).toBe(2);
  expect(invalid.errors).toContain("/children");
  expect((await toril(`graph create ${dir}/none.json`)).code).toBe(2);
  expect((await toril(`graph show ${unknownId}`)).code).toBe(3);
});

test("queues are listed, paused and resumed", async () => {
  const { items } = (await toril("queues --json")).json as QueueList;
  const { name } = items[0]!;
  expect((await toril(`pause ${name} --json`)).json).toMatchObject({ paused: true });
  expect((await toril("queues")).output).toMatch(new RegExp(`^${name} .*paused$`, "m"));
  expect((await toril(`resume ${name}`)).output).toBe(`resumed ${name}`);
  expect((await toril("pause none")).code).toBe(3);
});

test("schedules are listed with their next fire time", async () => {
  await stack.client.putSchedule("nightly", {
    cron: "0 3 * * *",
    job: { type: "echo", data: { message: "m" } },
  });
  expect((await toril("schedules")).output).toMatch(
    /^nightly +echo +0 3 \* \* \* \(UTC\) +\d{4}-/m,
  );
  const { items } = (await toril("schedules --json")).json as SchedulePage;
  expect(items.map(({ name }) => name)).toEqual(["nightly"]);
});

/** Rows with quoted line breaks, of about 50 bytes each. */
function writeCsv(name: string, rows: number): string {
  const path = join(dir, name);
  const lines = Array.from(
    { length: rows },
    (_, n) => `${n},"first line\nsecond ""line"", ${n}"\n`,
  );
  writeFileSync(path, `n,text\n${lines.join("")}`);
  return path;
}

test("a file is imported in parallel parts that end between rows", async () => {
  const file = writeCsv("rows.csv", 300);
  const { code, json } = await toril(
    `import ${file} --type row.import --parallel 4 --part-size 1000 --compress gzip --json`,
  );
  expect(code).toBe(0);
  const { status, counts, parts } = json as Import;
  expect(status).toBe("done");
  expect(counts).toMatchObject({ read: 300, accepted: 300, completed: 300, rejected: 0 });
  expect(parts?.received).toBeGreaterThan(10);
});

test("compressed files and JSON arrays are imported in parts, from files and from standard input", async () => {
  const csv = readFileSync(writeCsv("plain.csv", 300));
  const rows = Array.from({ length: 300 }, (_, n) => ({ n, text: 'a, "b" [c]\n' }));
  const json = Buffer.from(JSON.stringify(rows, null, 2));
  const files: Record<string, Uint8Array> = {
    "rows.csv.gz": Bun.gzipSync(csv),
    "packed.bin": Bun.zstdCompressSync(csv),
    "rows.json": json,
    "rows.json.zst": Bun.zstdCompressSync(json),
  };
  const counts = { read: 300, accepted: 300, completed: 300 };
  for (const [name, content] of Object.entries(files)) {
    const file = join(dir, name);
    writeFileSync(file, content);
    const { code, json: imported } = await toril(
      `import ${file} --type row.import --part-size 2000 --json`,
    );
    expect(code, name).toBe(0);
    expect(imported).toMatchObject({ status: "done", counts });
    expect((imported as Import).parts?.received).toBeGreaterThan(3);
  }
  const args = "import - --type row.import --format json --json";
  const { json: piped } = await toril(args, json.toString());
  const { id } = piped as Import;
  expect(piped).toMatchObject({ status: "done", counts });
  const [row] = await stack.sql<{ values: object }[]>`
    select data->'values' as values from jobs where import_id = ${id} order by (data->>'row')::int desc limit 1`;
  expect(row?.values).toEqual({ n: "299", text: 'a, "b" [c]\n' });
});

test("a file that is refused leaves no import that waits for its parts", async () => {
  const list = async () => (await toril("imports list --json")).json as { items: Import[] };
  for (const [args, input, hint] of [
    ["", "a;b\n1;2\n", "use --delimiter semicolon"],
    ["", "1,2\n3,4\n", "send --no-header if the line is data, else --header"],
    ["", Buffer.from("a\n\xE9\n", "latin1"), "--encoding windows-1252"],
    ["", "", "the file is empty"],
    ["--format json", '[{"a":1}', "it ends early"],
    ["--format json", '[{"a":1},]', "an element is missing"],
    ["--format json", '{"a":1}', "it does not begin with ["],
    ["", Bun.gzipSync("a\n1\n").subarray(0, 12), "the gzip data is damaged or ends early"],
  ] as const) {
    const { code, errors } = await toril(`import - --type row.import ${args}`.trim(), input);
    expect([code, errors]).toEqual([2, expect.stringContaining(hint)]);
    expect(errors).not.toContain("Repeat the command");
    expect((await list()).items.map(({ status }) => status)).not.toContain("receiving");
  }
  const partly = await toril(
    "import - --type row.import --part-size 1000",
    `a\n${"1\n".repeat(600)}"${"2\n".repeat(600)}`,
  );
  expect(partly.code).toBe(2);
  expect(partly.errors).toMatch(/rows are accepted; "toril imports cancel \S+" cancels them/);
});

test("rejected rows have an exit code of their own, and are printed", async () => {
  const { code, output } = await toril(
    "import - --type row.import",
    "a,b\n1,2\nonly one field\n3,4\n",
  );
  expect(code).toBe(7);
  expect(output).toMatch(/^rejected +1$/m);
  expect(output).toContain("line 3");
});

test("an interrupted import is resumed by the same command, and no row runs twice", async () => {
  const file = writeCsv("interrupted.csv", 400);
  const args = `import ${file} --type row.import --parallel 2 --part-size 1000 --json`;
  const interruption = new AbortController();
  const interrupted = _runCommand(args, {
    env,
    signal: interruption.signal,
    stderr: {
      isTTY: true,
      // The first progress, while parts are sent.
      write: () => interruption.abort(new Error("Ctrl-C")),
    },
  });
  await expect(interrupted).rejects.toThrow("Ctrl-C");
  const { code, json, errors } = await toril(args);
  expect(errors).toContain("Resuming the import");
  expect(code).toBe(0);
  const { id, counts } = json as Import;
  expect(counts).toMatchObject({ read: 400, accepted: 400, duplicate: 0, completed: 400 });
  const [rows] = await stack.sql<{ count: number }[]>`
    select count(*)::int as count from jobs where import_id = ${id}`;
  expect(rows?.count).toBe(400);
});

test("an interrupted import of standard input is resumed with its id", async () => {
  const input = readFileSync(writeCsv("piped.csv", 300), "utf8");
  const args = "import - --type row.import --parallel 2 --part-size 1000 --json";
  const interruption = new AbortController();
  let shown = "";
  const interrupted = _runCommand(args, {
    env,
    input,
    signal: interruption.signal,
    inform: (line) => void (shown += line),
    stderr: { isTTY: true, write: () => interruption.abort(new Error("Ctrl-C")) },
  });
  await expect(interrupted).rejects.toThrow("Ctrl-C");
  const [, id = ""] = /--resume (\S+) /.exec(shown) ?? [];
  const { code, json } = await toril(`${args} --resume ${id}`, input);
  expect(code).toBe(0);
  expect(json as Import).toMatchObject({
    id,
    counts: { read: 300, accepted: 300, completed: 300 },
  });
  expect(await toril(`${args} --resume ${id}`, input)).toMatchObject({ code: 0, json: { id } });
  expect((await toril(`${args} --resume ${unknownId}`, input)).code).toBe(2);
});

test("an interrupted import that is done meanwhile is not imported again by the same command", async () => {
  const args = `import ${writeCsv("done.csv", 20)} --type row.import --json`;
  const interruption = new AbortController();
  expect((await toril("pause imports")).code).toBe(0);
  let id = "";
  const interrupted = _runCommand(args, {
    env,
    signal: interruption.signal,
    inform: (line) => (id ||= /import (\S+) is incomplete/.exec(line)?.[1] ?? ""),
    stderr: {
      isTTY: true,
      write: (text) =>
        void (text.includes("20 accepted") && interruption.abort(new Error("Ctrl-C"))),
    },
  });
  await expect(interrupted).rejects.toThrow("Ctrl-C");
  expect((await toril("resume imports")).code).toBe(0);
  await stack.until(
    "the import is done",
    async () => (await stack.client.getImport(id)).status === "done" || undefined,
  );

  const { code, json, errors } = await toril(args);
  expect([code, json]).toMatchObject([0, { id, counts: { accepted: 20, completed: 20 } }]);
  expect(errors).toContain("is done");
});

test("an import maps columns to fields, and the rejected rows are downloaded", async () => {
  const input = "id;text;pause\n1;a;0\n2;b;0\n2;b;0\n3;c;soon\n";
  const mapping = { message: "text", sleepMs: { column: "pause", type: "number" } };
  const args = ["import", "-", "--type", "echo", "--delimiter", "semicolon", "--json"];
  args.push("--mapping", JSON.stringify(mapping), "--dedup-key", "cli-{id}");
  args.push("--options", '{"labels":["mapped"]}');
  args.push("--then", 'echo:{"message":"after the import"}');
  const counts = { read: 4, accepted: 2, duplicate: 1, rejected: 1 };

  const dry = await toril([...args, "--dry-run"], input);
  expect(dry.code).toBe(7);
  expect(dry.json).toMatchObject({ dryRun: true, status: "done", counts });
  expect((await toril("jobs --label mapped --json")).json).toMatchObject({ items: [] });

  const { code, json } = await toril(args, input);
  const { id } = json as Import;
  expect(code).toBe(7);
  expect(json).toMatchObject({ status: "done", counts: { ...counts, completed: 2 } });
  const { items } = (await toril("jobs --label mapped --json")).json as JobPage;
  expect(new Set(items.map(({ key }) => key))).toEqual(new Set(["cli-1", "cli-2"]));
  const { then } = json as Import;
  expect((await toril(`imports show ${id}`)).output).toContain(then!);
  await waitForStatus(then!, "completed");
  expect(await stack.client.getJob(then!)).toMatchObject({ data: { message: "after the import" } });

  const { output } = await toril(`imports errors ${id}`);
  expect(output).toStartWith("row,part,line,");
  expect(output).toMatch(/^4,1,5,.*3;c;soon$/m);
  const lines = (await toril(`imports errors ${id} --json`)).output.split("\n");
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { row: 4, part: 1, line: 5, field: "/data/sleepMs", text: "3;c;soon" },
  ]);
  expect((await toril("imports list --type echo")).output).toContain(id);
  expect((await toril(`imports show ${id}`)).output).toContain("part 1, line 5");
  expect((await toril(`imports cancel ${id}`)).code).toBe(4);
  expect((await toril(`imports errors ${unknownId}`)).code).toBe(3);
});

test("an import without header ignores columns, and ends after too many errors", async () => {
  const args = "import - --type echo --no-header --columns message,other --json";
  const ignored = await toril(`${args} --unknown-columns ignore`, "a,1\nb,2\n");
  expect(ignored.json).toMatchObject({ status: "done", counts: { accepted: 2, rejected: 0 } });
  expect((await toril(`${args} --then echo:{`, "a,1\n")).errors).toContain("not JSON");
  const unknown = await toril(`${args} --then nothing`, "a,1\n");
  expect([unknown.code, unknown.errors]).toEqual([2, expect.stringContaining("then")]);
  const failed = await toril(`${args} --max-errors 1`, "a,1\nb,2\n");
  expect(failed.code).toBe(7);
  expect(failed.json).toMatchObject({ status: "failed", counts: { rejected: 2 } });
  expect(failed.errors).toContain("2 rows were rejected");
  expect(failed.errors).not.toContain("Repeat the command");
});

const workbook = join(root, "producer/test/_workbook.xlsx");

test("a sheet of an .xlsx file is imported in one request, and mapped", async () => {
  const mapping = JSON.stringify({ message: "Article", sleepMs: { value: 0 } });
  const args = ["import", workbook, "--type", "echo", "--sheet", "Orders", "--json"];
  args.push("--mapping", mapping, "--dedup-key", "xlsx-{Article}", "--options", '{"priority":7}');
  const after = join(dir, "then.json");
  writeFileSync(after, JSON.stringify({ type: "echo", data: { message: "m" }, priority: 3 }));
  args.push("--then", `@${after}`);
  const counts = { read: 3, accepted: 2, rejected: 1 };
  const dry = await toril([...args, "--dry-run"]);
  expect(dry.json).toMatchObject({ dryRun: true, status: "done", parts: null, counts });
  const { code, json } = await toril(args);
  expect([code, json]).toMatchObject([7, { status: "done", counts: { ...counts, completed: 2 } }]);
  const jobs = await stack.sql`
    select key, (options->>'priority')::int as priority from jobs
    where import_id = ${(json as Import).id} order by key`;
  expect([...jobs]).toEqual(["xlsx-A-1", "xlsx-A-2"].map((key) => ({ key, priority: 7 })));
  expect(await stack.client.getJob((json as Import).then!)).toMatchObject({ priority: 3 });

  const second = await _runCommand(
    "import - --format xlsx --type row.import --sheet Second --no-header",
    { env, openInput: () => new Blob([readFileSync(workbook)]).stream() },
  );
  expect([second.code, second.errors]).toEqual([1, expect.stringContaining('no sheet "Second"')]);
  const refused = await toril([...args, "--callback-url", "https://nobody.invalid/"]);
  expect([refused.code, refused.errors]).toEqual([2, expect.stringContaining("callbackUrl")]);
});

test("an error of the whole file is printed without a line", async () => {
  const file = join(dir, "damaged.xlsx");
  writeFileSync(file, "no workbook");
  const { code, output } = await toril(["import", file, "--type", "row.import"]);
  expect([code, output.split("\n").at(-1)]).toEqual([1, "The file is no .xlsx workbook."]);
});

test("the same command resumes an interrupted import of an .xlsx file", async () => {
  const args = ["import", workbook, "--type", "row.import", "--json"];
  // The import is not done before it is interrupted.
  args.push("--options", '{"delayMs":3600000}');
  const interruption = new AbortController();
  const interrupted = _runCommand(args, {
    env,
    signal: interruption.signal,
    stderr: { isTTY: true, write: () => interruption.abort(new Error("Ctrl-C")) },
  });
  await expect(interrupted).rejects.toThrow("Ctrl-C");
  const { json, errors } = await toril([...args, "--no-wait"]);
  expect(errors).toContain("Resuming the import");
  expect(json).toMatchObject({ status: "running", counts: { read: 3, accepted: 2 } });
  const { id } = json as Import;
  const pending = await stack.sql<{ importId: string }[]>`
    select import_id as "importId" from jobs where type = 'row.import' and status = 'pending'`;
  expect(pending.map(({ importId }) => importId)).toEqual([id, id]);
  expect((await toril(`imports cancel ${id}`)).code).toBe(0);
});

test("an .xlsx file is sent again while the service processes the request of an interrupted command", async () => {
  const id = createJobId();
  const release = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const lock = stack.sql.begin(async (sql) => {
    await sql`lock table jobs in exclusive mode`;
    locked.resolve();
    await release.promise;
  });
  await locked.promise;
  const { signal } = new AbortController();
  const send = (client: Client) =>
    sendFile(
      client,
      { id, current: undefined },
      {
        file: workbook,
        size: undefined,
        definition: { type: "row.import" },
        isJson: false,
        workbook: { sheet: undefined },
        parallel: 1,
        partBytes: 1,
        compress: undefined,
        resume: undefined,
      },
      {
        context: { signal } as CommandContext,
        progress: { addBytes() {}, show() {}, end() {} },
      },
    );
  const baseUrl = env["TORIL_URL"]!;
  const interrupted = send(createClient({ baseUrl }));
  await stack.until("the key is in use", async () => {
    const keys = await stack.sql`select from idempotency_keys where key = ${id}`;
    return keys.length > 0 || undefined;
  });
  const repeated = send(
    createClient({
      baseUrl,
      async fetch(request) {
        const response = await fetch(request);
        if (response.status === 409) release.resolve();
        return response;
      },
    }),
  );
  expect(await repeated).toEqual(await interrupted);
  await lock;
});

test("the feeds of an OPML file are scheduled, listed and fetched", async () => {
  const feed = (url: string) => `<outline type="rss" text="A &amp;amp; B" xmlUrl="${url}"/>`;
  const [news, blog] = ["https://news.invalid/feed.xml", "https://blog.invalid/"];
  const feeds = `<outline text="folder">${feed(news)}</outline>${feed(blog)}${feed("ftp://no.invalid")}`;
  const opml = `<opml version="2.0"><head/><body>${feeds}</body></opml>`;
  const run = () => toril("feeds import - --every 300d --json", opml);
  const listNames = async () =>
    ((await toril("schedules --json")).json as SchedulePage).items
      .map(({ name }) => name)
      .filter((name) => name.startsWith("feed-"));

  const plan = await toril("feeds import - --every 300d --dry-run --json", opml);
  expect([plan.code, await listNames()]).toEqual([7, []]);
  const imported = await run();
  expect(imported.code).toBe(7);
  expect(imported.errors).toContain("ftp://no.invalid");
  expect(imported.json).toMatchObject({
    results: [
      { url: news, outcome: "scheduled" },
      { url: blog, outcome: "scheduled" },
      { url: "ftp://no.invalid", outcome: "refused" },
    ],
  });
  const planned = JSON.stringify(plan.json).replaceAll('"planned"', '"scheduled"');
  expect(JSON.parse(planned)).toEqual(imported.json);
  const names = await listNames();
  expect(names).toHaveLength(2);
  await run();
  expect(await listNames()).toEqual(names);
  expect((await toril("feeds import -", "<html></html>")).code).toBe(2);

  expect((await toril(`feeds fetch ${news}`)).code).toBe(3);
  await stack.sql`
    insert into feeds (source, url, status, fetched_at, new_items, changed_items)
    values (${news}, ${news}, 200, now(), 2, 1)`;
  expect((await toril("feeds list")).output).toMatch(
    /https:\/\/news\.invalid\/feed\.xml .* 200 +2 +1 +0 +\d{4}-/,
  );
  const { output: id } = await toril(`feeds fetch ${news}`);
  expect(((await toril(`job ${id} --json`)).json as JobDetail).type).toBe("feed.fetch");
});

test("job types are registered, listed and deleted", async () => {
  const registration = JSON.stringify({ data: { type: "object" }, worker: "pull" });
  expect((await toril("types put cli.test --from -", registration)).output).toContain("version 1");
  expect((await toril("types list")).output).toMatch(/^cli\.test .* pull +api/m);
  expect((await toril("types show cli.test --json")).json).toMatchObject({ type: "cli.test" });
  expect((await toril("types delete cli.test")).code).toBe(0);
  expect((await toril("types show cli.test")).code).toBe(3);
});

test("webhooks are created, tested, disabled and deleted", async () => {
  const definition = JSON.stringify({ url: "https://hooks.invalid/toril", events: ["job.dead"] });
  const created = await toril("webhooks put orders --from -", definition);
  expect(created.output).toStartWith("whsec_");
  expect((await toril("webhooks put orders --from -", definition)).output).toBe("");
  const { output: delivery } = await toril("webhooks test orders");
  expect((await toril("webhooks deliveries orders")).output).toMatch(
    new RegExp(`^${delivery} +webhook.test `, "m"),
  );
  expect((await toril("webhooks disable orders")).code).toBe(0);
  expect((await toril("webhooks list")).output).toMatch(/^orders .* disabled \(requested\)$/m);
  expect((await toril("webhooks enable orders --json")).json).toMatchObject({ enabled: true });
  expect((await toril(`webhooks replay orders ${unknownId}`)).code).toBe(3);
  expect((await toril("webhooks delete orders")).code).toBe(0);
  expect((await toril("webhooks list --json")).json).toEqual({ items: [] });
});

test("the exit code tells why a command failed", async () => {
  expect((await toril(`job ${unknownId}`)).code).toBe(3);
  const invalid = await toril("enqueue echo --data {}");
  expect(invalid.code).toBe(2);
  expect(invalid.errors).toContain("/data/message");
  expect((await toril("enqueue unknown.type")).code).toBe(3);
});

/** Starts a command on a pseudo-terminal of 60 columns. */
function startOnTerminal(args: string, more: Record<string, string> = {}) {
  let shown = "";
  const decoder = new TextDecoder();
  // As `npx toril` does: Node starts Bun, and Ctrl-C reaches both.
  const launcher = [join(root, "node_modules/.bin/node"), join(root, "ops/cli/launch.ts")];
  const child = Bun.spawn([...launcher, ...args.split(" ")], {
    env: { PATH: process.env["PATH"], TERM: "xterm", ...env, ...more },
    terminal: {
      cols: 60,
      rows: 30,
      data: (_terminal, data) => void (shown += decoder.decode(data, { stream: true })),
    },
  });
  return {
    exited: child.exited,
    type: (text: string) => child.terminal?.write(text),
    get shown() {
      return shown;
    },
  };
}

test("on a terminal, output is coloured unless NO_COLOR is set, and an import shows a progress bar", async () => {
  await enqueueEcho({ message: "m" });
  const file = writeCsv("terminal.csv", 100);
  const commands = [
    startOnTerminal("jobs --limit 1"),
    startOnTerminal("jobs --limit 1", { NO_COLOR: "1" }),
    startOnTerminal(`import ${file} --type row.import`),
  ];
  expect(await Promise.all(commands.map(({ exited }) => exited))).toEqual([0, 0, 0]);
  const [coloured, plain, imported] = commands.map(({ shown }) => shown);
  expect(coloured).toContain("\u001b[1mid\u001b[22m");
  expect(plain).not.toContain("\u001b[");
  expect(imported).toMatch(/\r {2}\[#{20}\] 100 accepted \([\d,]+\/s\), 100 done/);
}, 60_000);

test("Ctrl-C on a terminal interrupts an import, and the same command resumes it", async () => {
  const file = writeCsv("terminal-interrupted.csv", 1000);
  const command = `import ${file} --type row.import --parallel 2 --part-size 1000`;
  // No import ends before Ctrl-C.
  expect((await toril("pause imports")).code).toBe(0);
  const interrupted = startOnTerminal(command);
  await stack.until(
    "progress is shown",
    async () => /[1-9][\d,]* accepted/.test(interrupted.shown) || undefined,
  );
  interrupted.type("\u0003");
  expect(await interrupted.exited).toBe(130);
  expect(interrupted.shown).toMatch(
    /The import \S+ is incomplete. Repeat the command to resume it./,
  );

  const resumed = startOnTerminal(command);
  await stack.until(
    "the import is found",
    async () => resumed.shown.includes("Resuming the import") || undefined,
  );
  expect((await toril("resume imports")).code).toBe(0);
  expect(await resumed.exited).toBe(0);
  const [, id = ""] = /Resuming the import ([0-9a-f-]+)/.exec(resumed.shown) ?? [];
  expect(interrupted.shown).toContain(id);
  expect(resumed.shown).toMatch(/accepted +1000\r\n/);
  const [rows] = await stack.sql<{ count: number }[]>`
    select count(*)::int as count from jobs where import_id = ${id} and status = 'completed'`;
  expect(rows?.count).toBe(1000);
  // The bar is redrawn in its line: a longer text would wrap to the next one.
  const drawn = resumed.shown.split("\r").filter((text) => text.startsWith("  ["));
  expect(drawn.length).toBeGreaterThan(0);
  expect(drawn.every((text) => Bun.stripANSI(text).trimEnd().length < 60)).toBe(true);
}, 60_000);

import { heapStats } from "bun:jsc";
import { afterEach, expect, test } from "bun:test";
import { _checked, _openProducer, _startProducer, _until } from "./_producer.ts";
import { _chunk, _connect, _head } from "./_raw.ts";

const { stores, producer } = await _openProducer();
afterEach(() => stores.clear());

const chunked = "Transfer-Encoding: chunked";
const withLength = "Content-Length: 1000000";

async function upload(framing: string, ...texts: string[]) {
  const connection = await _connect(producer.url);
  const send = (text: string) => connection.write(framing === chunked ? _chunk(text) : text);
  await connection.write(
    _head("POST /v1/imports?type=row.import", "Content-Type: text/csv", framing),
  );
  for (const text of texts) await send(text);
  return { ...connection, send };
}

async function onlyImport(): Promise<string | undefined> {
  const [row] = await stores.sql<{ id: string }[]>`select id from imports`;
  return row?.id;
}

async function failedImport() {
  await _until(async () => {
    const id = await onlyImport();
    return id !== undefined && (await producer.client.getImport(id)).status === "failed";
  });
  return producer.client.getImport((await onlyImport())!);
}

test.each([
  [withLength, "destroy"],
  [withLength, "end"],
  [chunked, "destroy"],
  [chunked, "end"],
] as const)(
  "a client that disconnects in the middle (%s, %s) leaves a failed import",
  async (framing, disconnect) => {
    const connection = await upload(framing, "a,b\n", "1,2\n".repeat(1300));
    await _until(async () => (await onlyImport()) !== undefined);
    const id = (await onlyImport())!;
    expect((await producer.client.getImport(id)).status).toBe("receiving");
    await connection.send("3,4\n5,");
    connection[disconnect]();
    const made = await failedImport();
    expect(made.errors).toEqual([
      expect.objectContaining({
        line: 0,
        problem: expect.objectContaining({ type: "urn:toril:problem:incomplete-body" }),
      }),
    ]);
    // Nobody can know whether the last received row is complete.
    expect([1300, 1301]).toContain(made.counts.accepted);
    expect(made.counts.read).toBe(made.counts.accepted);
    expect(await stores.count()).toMatchObject({ jobs: made.counts.accepted });
    // The last chunk may still be on its way to Redis.
    await _until(async () => (await stores.count()).dispatched === made.counts.accepted);
    expect(producer.lines.filter((line) => Number(line["level"]) >= 40)).toEqual([]);
  },
);

test("a client that disconnects in the first chunk leaves a failed import", async () => {
  const connection = await upload(chunked, "a,b\n1,2\n3,4\n5,6\n");
  connection.destroy();
  const made = await failedImport();
  expect(made.counts.accepted).toBeGreaterThanOrEqual(2);
  expect(await stores.count()).toMatchObject({ jobs: made.counts.accepted });
});

test("a client that disconnects while Postgres is busy leaves a failed import", async () => {
  const { promise: locked, resolve: hold } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const locking = stores.sql.begin(async (sql) => {
    await sql`lock table jobs in exclusive mode`;
    hold();
    await released;
  });
  await locked;
  const connection = await upload(chunked, "a,b\n", "1,2\n".repeat(5000));
  await _until(async () => {
    const [row] = await stores.sql`select 1 from pg_locks where not granted`;
    return row !== undefined;
  });
  connection.destroy();
  release();
  await locking;
  const made = await failedImport();
  expect(await stores.count()).toMatchObject({ jobs: made.counts.accepted });
});

test("the shutdown waits for an import whose client disconnected", async () => {
  const stopping = await _startProducer(stores);
  const own = await _connect(stopping.url);
  await own.write(_head("POST /v1/imports?type=row.import", "Content-Type: text/csv", chunked));
  await own.write(_chunk(`a,b\n${"1,2\n".repeat(600)}`));
  await _until(async () => (await stores.count()).imports === 1);
  own.destroy();
  await stopping.close();
  const made = await producer.client.getImport((await onlyImport())!);
  expect(made.status).toBe("failed");
  expect(made.counts.read).toBe(made.counts.accepted);
});

test("a complete upload is imported even if its client disconnects", async () => {
  const text = `a,b\n${"1,2\n".repeat(700)}`;
  const connection = await upload(`Content-Length: ${text.length}`, text);
  connection.end();
  await _until(async () => (await stores.count()).jobs === 700);
  await _until(async () => {
    const id = await onlyImport();
    return id !== undefined && (await producer.client.getImport(id)).status === "running";
  });
});

test("a file of 50 MB is imported without buffering it", async () => {
  const row = `${"x".repeat(4980)},"${"y".repeat(10)}"\n`;
  const rows = 10_000;
  const connection = await upload(`Content-Length: ${4 + rows * row.length}`, "a,b\n");
  const before = readLiveBytes();
  let most = before;
  for (let sent = 0; sent < rows; sent += 20) {
    await connection.write(row.repeat(20));
    if (sent % 1000 === 0) most = Math.max(most, readLiveBytes());
  }
  const answer = await _checked(await connection.answer(), "POST", "/v1/imports");
  connection.destroy();
  expect(answer.body.counts).toMatchObject({ read: rows, accepted: rows });
  expect(most - before).toBeLessThan(25_000_000);
});

/** Resident memory would include garbage. */
function readLiveBytes(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}

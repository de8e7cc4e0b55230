import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "bun:test";

import postgres from "postgres";

import { stablePort } from "../dev/processes/restartable.ts";
import { identify } from "../dev/processes/process-table.ts";
import { until } from "../dev/until.ts";
import { _dataDir, _npmStart, _pids, _readEnv, _waitUntilGone, type Start } from "./_start.ts";

const ready = "Toril is ready";

test("an unknown option is refused with the usage, and nothing starts", async () => {
  await using start = _npmStart(["--twice"]);
  expect(await start.ended).toBe(1);
  expect(start.output()).toContain("'--twice'");
  expect(start.output()).toContain("--once");
  expect(start.output()).not.toContain("Starting");
});

test("the database of DATABASE_URL is not used without confirmation or --yes", async () => {
  using data = _dataDir();
  const port = String(await stablePort());
  const args = ["--once", "--port", port, "--data", data.path];
  // Nothing listens on port 1: the start must end before it connects.
  const env = { DATABASE_URL: "postgres://toril:secret-password@127.0.0.1:1/orders" };
  await using start = _npmStart(args, env);
  expect(await start.ended).toBe(1);
  expect(start.output()).toContain("orders");
  expect(start.output()).toContain("--yes");
  expect(start.output()).not.toContain("secret-password");
  expect(start.output()).not.toContain("Starting");
});

describe("on one data directory, one start after the other", () => {
  const data = _dataDir();
  afterAll(() => data[Symbol.dispose]());
  const port = stablePort();
  const args = async () => ["--port", String(await port), "--data", data.path];
  const withoutDemo = async () => ["--no-demo", ...(await args())];
  let location: string;
  let left: number[];

  test("a process that cannot start stops everything, and its error is printed", async () => {
    await using start = _npmStart(await withoutDemo(), { WORKER_CONCURRENCY: "many" });
    expect(await start.ended).toBe(1);
    expect(start.output()).toContain("consumer 1 ended with exit code");
    expect(start.output()).toContain("WORKER_CONCURRENCY");
    await _waitUntilGone(pidsIn(start));
    expect(existsSync(join(data.path, "lock.json"))).toBe(false);
  });

  test("a start refuses a used port or data directory and survives a killed consumer", async () => {
    using other = _dataDir();
    const first = await port;
    await using start = _npmStart([
      ...(await withoutDemo()),
      "--producers",
      "2",
      "--consumers",
      "2",
    ]);
    await start.waitForOutput(ready);
    const env = _readEnv(data.path);
    expect(_pids(env["PRODUCER_PIDS"], env["CONSUMER_PIDS"])).toHaveLength(4);
    for (const each of [first, first + 1]) {
      expect((await fetch(`http://127.0.0.1:${each}/readyz`)).status).toBe(200);
    }

    await using samePort = _npmStart(["--no-demo", "--port", String(first), "--data", other.path]);
    await using sameData = _npmStart(await withoutDemo());
    expect([await samePort.ended, await sameData.ended]).toEqual([1, 1]);
    const [producer] = _pids(env["PRODUCER_PIDS"]);
    expect(samePort.output()).toContain(`Port ${first} is taken by pid ${producer}`);
    expect(sameData.output()).toContain(`http://127.0.0.1:${first}`);
    expect(_readEnv(data.path)["PORT"]).toBe(String(first));

    const [consumer] = _pids(env["CONSUMER_PIDS"]);
    process.kill(consumer as number, "SIGKILL");
    await start.waitForOutput(`consumer 1 (pid ${consumer}) was ended by SIGKILL`);
    location = await postEcho(first);
    // Leaves its processes behind.
    const lock = JSON.parse(readFileSync(join(data.path, "lock.json"), "utf8")) as { pid: number };
    process.kill(lock.pid, "SIGKILL");
    await start.ended;
    left = pidsIn(start).filter((pid) => pid !== consumer);
    expect(left.length).toBeGreaterThan(0);
    expect(left.filter((pid) => identify(pid) !== undefined)).toEqual(left);
  });

  test("the next start stops the processes that a killed one left behind, and Ctrl-C during its import stops everything", async () => {
    const file = writeRows(join(data.path, "rows.csv"), 10_000);
    await using start = _npmStart([...(await args()), "--import", file], { DRAIN_MS: "1000" });
    await start.waitForOutput("accepted");
    await _waitUntilGone(left);
    start.ctrlC();
    expect(await start.ended).toBe(0);
    await _waitUntilGone(pidsIn(start));
    expect(existsSync(join(data.path, "env"))).toBe(false);
  });

  test("the next start keeps the data, and completes the rows of the interrupted import", async () => {
    await using start = _npmStart(await withoutDemo());
    await start.waitForOutput(ready);
    expect((await fetch(new URL(location, `http://127.0.0.1:${await port}`))).status).toBe(200);
    const sql = postgres(_readEnv(data.path)["DATABASE_URL"] as string, { max: 1 });
    try {
      const settled = async () => {
        const [row] = await sql<[{ pending: number; jobs: number; rows: number }]>`
          select count(*) filter (where status = 'pending')::int as pending, count(*)::int as jobs,
                 (select count(*)::int from imported_rows) as rows
          from jobs where type = 'row.import'`;
        return row.pending === 0 ? row : undefined;
      };
      const end = await until("no row is pending", settled, { timeoutMs: 120_000 });
      expect(end.jobs).toBeGreaterThan(0);
      expect(end.rows).toBe(end.jobs);
    } finally {
      await sql.end();
    }
  });
});

test("--once imports a file twice without losing or duplicating a row", async () => {
  using data = _dataDir();
  const file = writeRows(join(data.path, "rows.csv"), 2000);
  const port = String(await stablePort());
  const args = ["--once", "--import", file, "--port", port, "--data", join(data.path, "data")];
  for (const turn of [1, 2]) {
    await using start = _npmStart(args);
    expect(await start.ended).toBe(0);
    const summary = Object.fromEntries(
      [...start.output().matchAll(/^ +([a-z ]+?) {2,}([\d,]+)$/gim)].map(([, key, n]) => [key, n]),
    );
    expect(summary).toEqual({
      "rows read": "2,000",
      accepted: "2,000",
      duplicate: "0",
      rejected: "0",
      completed: "2,000",
      dead: "0",
      "rows in Postgres": "2,000",
      "of all imports": turn === 1 ? "2,000" : "4,000",
    });
    expect(start.output()).toContain(
      turn === 1 ? "0 before, then 12, then 12" : "12 before, then 12, then 12",
    );
    await _waitUntilGone(pidsIn(start));
  }
}, 600_000);

function writeRows(file: string, count: number): string {
  const rows = Array.from({ length: count }, (_, index) => `${index},"row ${index}"\n`);
  writeFileSync(file, `number,text\n${rows.join("")}`);
  return file;
}

async function postEcho(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/jobs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ type: "echo", data: { message: "hello" } }),
  });
  expect(response.status).toBe(201);
  return response.headers.get("location") ?? "";
}

/** The processes whose start was printed. */
function pidsIn(start: Start): number[] {
  return [
    ...start.output().matchAll(/^ {2}(?:redis|postgres|producer|consumer).*\(pid (\d+)\)$/gm),
  ].map(([, pid]) => Number(pid));
}

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";

import postgres from "postgres";

import { stablePort } from "../dev/restartable.ts";
import { identify } from "../dev/process-table.ts";
import { until } from "../dev/until.ts";
import { _dataDir, _waitUntilGone, _npmStart, _pids, _readEnv, type Start } from "./_start.ts";

const ready = "Toril is ready";
const patience = 300_000;

test("an unknown flag is named, with what there is instead, and nothing starts", async () => {
  await using start = _npmStart(["--twice"]);
  expect(await start.ended).toBe(1);
  expect(start.output()).toContain("Unknown option '--twice'");
  expect(start.output()).toContain("--once");
  expect(start.output()).not.toContain("Starting");
});

test("a database that is named is not touched without a question or --yes", async () => {
  using data = _dataDir();
  const port = String(await stablePort());
  const args = ["--once", "--port", port, "--data", data.path];
  // Nobody listens there: to ask is all that happens.
  const env = { DATABASE_URL: "postgres://toril:geheim@127.0.0.1:1/orders" };
  await using start = _npmStart(args, env);
  expect(await start.ended).toBe(1);
  expect(start.output()).toContain("DATABASE_URL names the database orders at 127.0.0.1:1.");
  expect(start.output()).toContain("--yes");
  expect(start.output()).not.toContain("geheim");
  expect(start.output()).not.toContain("Starting");
});

test("a process that cannot start ends everything, and its complaint is shown", async () => {
  using data = _dataDir();
  const args = ["--no-demo", "--port", String(await stablePort()), "--data", data.path];
  await using start = _npmStart(args, { WORKER_CONCURRENCY: "many" });
  expect(await start.ended).toBe(1);
  expect(start.output()).toContain("consumer 1 ended with exit code");
  expect(start.output()).toContain("WORKER_CONCURRENCY");
  await _waitUntilGone(pidsIn(start));
  expect(existsSync(join(data.path, "lock.json"))).toBe(false);
});

test("a second start says who has the port, and who has the data", async () => {
  using data = _dataDir();
  using other = _dataDir();
  const port = String(await stablePort());
  await using first = _npmStart(["--no-demo", "--port", port, "--data", data.path]);
  await first.waitForOutput(ready);
  const [producer] = _pids(_readEnv(data.path)["PRODUCER_PIDS"]);

  await using samePort = _npmStart(["--no-demo", "--port", port, "--data", other.path]);
  expect(await samePort.ended).toBe(1);
  expect(samePort.output()).toContain(`Port ${port} is taken by pid ${producer}`);

  await using sameData = _npmStart(["--no-demo", "--port", port, "--data", data.path]);
  expect(await sameData.ended).toBe(1);
  expect(sameData.output()).toContain(`Toril runs already: http://127.0.0.1:${port}`);
  expect(_readEnv(data.path)["PORT"]).toBe(port);
});

test("Ctrl-C stops all it started, and the next start has the data", async () => {
  using data = _dataDir();
  const port = String(await stablePort());
  const args = ["--no-demo", "--port", port, "--data", data.path];
  const first = _npmStart([...args, "--consumers", "2"]);
  await first.waitForOutput(ready);
  const env = _readEnv(data.path);
  expect(_pids(env["PRODUCER_PIDS"], env["CONSUMER_PIDS"])).toHaveLength(3);
  const location = await postEcho(port);
  first.ctrlC();
  expect(await first.ended).toBe(0);
  await _waitUntilGone(pidsIn(first));
  expect(existsSync(join(data.path, "env"))).toBe(false);

  await using second = _npmStart(args);
  await second.waitForOutput(ready);
  const job = await fetch(new URL(location, `http://127.0.0.1:${port}`));
  expect(job.status).toBe(200);
});

test("producers have ports of their own, and one start outlives a worker that someone kills", async () => {
  using data = _dataDir();
  const port = await stablePort();
  const args = ["--no-demo", "--port", String(port), "--producers", "2", "--data", data.path];
  await using start = _npmStart(args);
  await start.waitForOutput(ready);
  for (const each of [port, port + 1]) {
    const response = await fetch(`http://127.0.0.1:${each}/readyz`);
    expect(response.status).toBe(200);
  }
  const [consumer] = _pids(_readEnv(data.path)["CONSUMER_PIDS"]);
  process.kill(consumer as number, "SIGKILL");
  await start.waitForOutput(
    `consumer 1 (pid ${consumer}) was ended by SIGKILL. Start it again with`,
  );
  expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
});

test("what a killed start leaves behind is stopped by the next one", async () => {
  using data = _dataDir();
  const args = ["--no-demo", "--port", String(await stablePort()), "--data", data.path];
  const first = _npmStart(args);
  await first.waitForOutput(ready);
  const lock = JSON.parse(readFileSync(join(data.path, "lock.json"), "utf8")) as { pid: number };
  process.kill(lock.pid, "SIGKILL");
  await first.ended;
  const left = pidsIn(first);
  expect(left.filter((pid) => identify(pid) !== undefined)).toEqual(left);

  await using second = _npmStart(args);
  await second.waitForOutput(ready);
  await _waitUntilGone(left);
});

test(
  "--once imports a real file twice without losing or doubling a row",
  async () => {
    using data = _dataDir();
    const args = ["--once", "--port", String(await stablePort()), "--data", data.path];
    for (const turn of [1, 2]) {
      await using start = _npmStart(args);
      expect(await start.ended).toBe(0);
      const said = Object.fromEntries(
        [...start.output().matchAll(/^ +([a-z ]+?) {2,}([\d,]+)$/gim)].map(([, key, n]) => [
          key,
          n,
        ]),
      );
      expect(said).toEqual({
        "rows read": "42,049",
        accepted: "42,049",
        duplicate: "0",
        rejected: "0",
        completed: "42,049",
        dead: "0",
        "rows in Postgres": "42,049",
        "of all imports": turn === 1 ? "42,049" : "84,098",
      });
      expect(start.output()).toContain(
        turn === 1 ? "0 before, then 12, then 12" : "12 before, then 12, then 12",
      );
      await _waitUntilGone(pidsIn(start));
    }
  },
  patience,
);

test(
  "one Ctrl-C in the middle of the import is enough, and the rows are done after the next start",
  async () => {
    using data = _dataDir();
    const args = ["--port", String(await stablePort()), "--data", data.path];
    const first = _npmStart(args);
    await first.waitForOutput("accepted");
    first.ctrlC();
    expect(await first.ended).toBe(0);
    await _waitUntilGone(pidsIn(first));

    await using second = _npmStart(["--no-demo", ...args]);
    await second.waitForOutput(ready);
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
  },
  patience,
);

async function postEcho(port: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/jobs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ type: "echo", data: { message: "hello" } }),
  });
  expect(response.status).toBe(201);
  return response.headers.get("location") ?? "";
}

/** Every process that it said it started. */
function pidsIn(start: Start): number[] {
  return [
    ...start.output().matchAll(/^ {2}(?:redis|postgres|producer|consumer).*\(pid (\d+)\)$/gm),
  ].map(([, pid]) => Number(pid));
}

import { expect, test } from "bun:test";
import { _growTables, _rowsRead, _keepFirstPlans } from "../../contract/test/_rows-read.ts";
import { _bearer, _issue } from "./_keys.ts";
import { _echo, _json, _openStores, _startProducer } from "./_producer.ts";

const rows = 20_000;

test.each([
  // The planner assumes ten pages for a table that was never analyzed, and otherwise the size at the last analysis.
  ["never analyzed", ""],
  ["analyzed while they were empty", "vacuum analyze"],
])(
  "statements read only the rows they need after tables have grown that were %s",
  async (_, analyze) => {
    const stores = await _openStores();
    const { sql } = stores;
    await _keepFirstPlans(sql);
    await sql.unsafe(analyze);
    const quotas = { rate: 10_000, burst: 10_000, maxWaiting: 10_000, bytes: 10_000_000 };
    const { key } = await _issue(stores, ["jobs:read", "jobs:write"], { quotas });
    const producer = await _startProducer(stores);

    async function workOnce(own: string) {
      const send = async (path: string, init: RequestInit = {}) => {
        const own = init.headers as Record<string, string> | undefined;
        const answer = await producer.request(path, {
          ...init,
          headers: { ...own, ..._bearer(key) },
        });
        expect(answer.status, `${path}: ${answer.text}`).toBeOneOf([200, 201, 202]);
        return answer.body;
      };
      const post = (path: string, headers = {}) => send(path, { method: "POST", headers });
      const enqueue = (body: object, headers = {}) => send("/v1/jobs", _json(body, headers));
      const repeated = { "Idempotency-Key": own };
      const { id } = await enqueue(_echo("a", { labels: ["own"], delayMs: 60_000 }));
      for (let times = 0; times < 2; times += 1) {
        await enqueue(_echo("a"), repeated);
        await post(`/v1/jobs/${id}/promote`, { "Idempotency-Key": `promote-${own}` });
        for (const type of ["once", "replace", "pending"]) {
          const window = type === "once" ? { windowMs: 60_000 } : {};
          await enqueue(_echo("a", { key: `${own}-${type}`, keyPolicy: { type, ...window } }));
        }
      }
      await enqueue(_echo("a", { key: own }));
      // The key is taken by a job without a dedup window.
      await enqueue(_echo("a", { key: own, keyPolicy: { type: "once", windowMs: 60_000 } }));
      const bulk = { "Idempotency-Key": `bulk-${own}` };
      await send("/v1/jobs/bulk", _json([_echo("a"), _echo("b", { key: own })], bulk));
      const file = { "Content-Type": "text/csv", "Idempotency-Key": `file-${own}` };
      const csv = { method: "POST", headers: file, body: "a\n1\n2\n" };
      const { id: importId } = await send("/v1/imports?type=row.import", csv);
      await send(`/v1/imports/${importId}`);
      await send("/v1/imports?limit=1&status=running");
      await send(`/v1/imports/${importId}`, { method: "DELETE" });
      await send(`/v1/jobs/${id}`);
      await send(`/v1/jobs/${id}`, { method: "DELETE" });
      await post(`/v1/jobs/${id}/retry`);
      await sql`update jobs set status = 'dead', settled_at = now() where id = ${id}`;
      await send(`/v1/dead-letters/${id}`);
      await post(`/v1/dead-letters/${id}/redrive`);
      await send("/v1/dead-letters?limit=1");
      const schedule = { everyMs: 3_600_000, job: _echo() };
      await send(`/v1/schedules/${own}`, { ..._json(schedule), method: "PUT" });
      await post(`/v1/schedules/${own}/run`);
      const cancelling = { action: "cancel", filter: { label: "none" } };
      const operation = await send("/v1/operations", _json(cancelling));
      await post(`/v1/operations/${operation.id}/stop`);
    }

    // Often enough that each connection in use has prepared every statement.
    for (const own of ["one", "two", "three", "four"]) await workOnce(own);
    await _growTables(sql, rows);
    await workOnce("after");
    await producer.close();
    const read = await _rowsRead(sql);
    expect(read.filter((reader) => reader.rows >= rows)).toEqual([]);
    await stores.close();
  },
);

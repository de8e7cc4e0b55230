import { expect, test } from "bun:test";
import { findStrandedJobs } from "@toril/contract/engine/job-types/job-type-ledger";
import type { JobStatus } from "@toril/contract/api/jobs/job-states";
import postgres from "postgres";
import { _keepFirstPlans, _rowsRead } from "../../contract/test/_rows-read.ts";
import { createTestLedger } from "../../contract/test/_stores.ts";
import { runExpiry } from "../src/reconciler/expire.ts";
import { leadOnce } from "../src/reconciler/leadership.ts";

const rows = 5000;

test("a ledger analyzed without pending jobs: the leader reads no pending row for deadlines and changed types", async () => {
  await using ledger = await createTestLedger();
  const { sql, url } = ledger;
  await _keepFirstPlans(sql);
  const insert = (status: JobStatus) => sql`
    insert into jobs (id, queue, type, data, options, status)
    select gen_random_uuid(), 'default', 'echo', '{}', '{}', ${status} from generate_series(1, ${rows})`;
  await insert("completed");
  await sql`
    insert into job_types (tenant, type, queue, definition, version, revision, updated_at)
    select 'default', 'registered-' || n, 'default', '{}', 2, n, now() - interval '1 hour' from generate_series(1, 100) as n`;
  await sql.unsafe("vacuum analyze");
  await insert("pending");
  const stop = new AbortController();

  await leadOnce(
    {
      open: (connection) => postgres(url, connection),
      electEveryMs: 10,
      sessionMs: 8000,
      stop: stop.signal,
    },
    async (leadership) => {
      const expiring = new AbortController();
      await runExpiry({
        leadership: {
          signal: expiring.signal,
          async run(work) {
            expiring.abort();
            return leadership.run(work);
          },
        },
        remove: async () => [],
        settler: { settle: async () => ({ status: "settled" }) },
        log: { warn: (...line: unknown[]) => expect(line).toEqual([]) },
      });
      await leadership.run(findStrandedJobs);
      await leadership.run((leader) => leader`select pg_stat_force_next_flush()`);
      stop.abort();
    },
  );

  const read = await _rowsRead(sql);
  expect(read.filter((reader) => reader.rows >= rows)).toEqual([]);
});

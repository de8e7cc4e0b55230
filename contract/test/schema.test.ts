import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Sql } from "postgres";
import { Import } from "../src/api/import.ts";
import { finalStatuses, JobState, JobStatus, transitions } from "../src/api/jobs/job-states.ts";
import { Operation } from "../src/api/operation.ts";
import { Schedule } from "../src/api/schedule.ts";
import { cancelJobs } from "../src/engine/jobs/change/cancel.ts";
import { parseHistory, retryJobs } from "../src/engine/jobs/change/retry.ts";
import { createTestLedger, type TestLedger } from "./_stores.ts";

let ledger: TestLedger;
let sql: Sql;
const root = `${import.meta.dir}/../..`;
const migrations = `${root}/contract/src/engine/postgres/migrations`;

beforeAll(async () => {
  ledger = await createTestLedger();
  sql = ledger.sql;
});
afterAll(() => ledger[Symbol.asyncDispose]());

/** Creates one job of each status. */
async function _jobOfEach(): Promise<Map<string, JobStatus>> {
  const rows = await sql<{ id: string; status: JobStatus }[]>`
    insert into jobs (id, queue, type, data, options, status, settled_at)
    select gen_random_uuid(), 'default', 'echo', '{}', '{}', status, case when status <> 'pending' then now() end
    from unnest(${JobStatus.options}::text[]) as status returning id, status`;
  return new Map(rows.map(({ id, status }) => [id, status]));
}

test("a statement changes the status of a job only along the allowed transitions", async () => {
  const cancelled = await _jobOfEach();
  const ids = [...cancelled.keys()];
  const ended = await cancelJobs(
    sql,
    ids.map((id) => ({ id })),
  );
  expect(ended.map(({ id }) => cancelled.get(id)!).toSorted()).toEqual(
    JobStatus.options.filter((status) => transitions[status].includes("cancelled")).toSorted(),
  );
  const again = await _jobOfEach();
  const options = { statuses: finalStatuses, quotaKey: undefined };
  const retried = await retryJobs(sql, [...again.keys()], options);
  expect(retried.map(({ id }) => again.get(id)!).toSorted()).toEqual(
    JobStatus.options.filter((status) => transitions[status].includes("pending")).toSorted(),
  );
});

test("SQL names no status that the API does not have", async () => {
  const stored = ["received"];
  const known = new Set<string>([
    ...JobStatus.options,
    ...Operation.shape.status.options,
    ...Import.shape.status.options,
    ...stored,
  ]);
  const glob = new Bun.Glob("{contract,producer,consumer}/src/**/*.ts");
  const found = new Set<string>();
  for await (const path of glob.scan(root)) {
    const text = await Bun.file(`${root}/${path}`).text();
    for (const [, list = ""] of text.matchAll(/\bstatus (?:=|<>|in) (\(?'[^)`;\n]*)/g)) {
      for (const [, name = ""] of list.matchAll(/(?:^\(?|, )'([a-z-]+)'/g)) found.add(name);
    }
  }
  expect(found.size).toBeGreaterThan(5);
  expect([...found].filter((name) => !known.has(name))).toEqual([]);
});

test("the diagram in README shows the statuses, states and transitions of jobs", async () => {
  const readme = await Bun.file(`${root}/README.md`).text();
  const diagram = /```mermaid\nstateDiagram-v2\n(.*?)```/s.exec(readme)?.[1] ?? "";
  const aliases = new Map(
    [...diagram.matchAll(/^ *state "(\S+)" as (\w+)$/gm)].map(([, name = "", alias]) => [
      alias,
      name,
    ]),
  );
  const names = [...diagram.matchAll(/^ *(\S+) --> (\w+)/gm)]
    .flatMap(([, from = "", to = ""]) => [from, to])
    .map((name) => aliases.get(name) ?? name);
  const known = new Set<string>([...JobStatus.options, ...JobState.options, "[*]"]);
  expect(names.filter((name) => !known.has(name))).toEqual([]);
  expect(JobStatus.options.filter((status) => !names.includes(status))).toEqual([]);
  for (const status of transitions.pending) {
    expect(diagram).toMatch(new RegExp(`^ +pending --> ${status}\\b`, "m"));
  }
});

test("a ledger of version 0.1 keeps its jobs, windows and schedules under the new names", async () => {
  const files = [...new Bun.Glob("*.sql").scanSync(migrations)].toSorted();
  const texts = await Promise.all(files.map((file) => Bun.file(`${migrations}/${file}`).text()));
  await sql.begin(async (tx) => {
    await tx`create schema old`;
    await tx`set local search_path to old`;
    for (const text of texts.slice(0, 18)) await tx.unsafe(text);
    await tx.unsafe(`
      insert into jobs (id, queue, type, data, options, run, history)
      values (gen_random_uuid(), 'default', 'echo', '{}', '{}', 3,
        '[{"run":2,"status":"dead","attempts":1,"error":null,"settledAt":"2026-11-28T10:00:00+00:00"}]');
      insert into key_windows (type, key, job_id, until) values ('echo', 'a', gen_random_uuid(), now());
      insert into schedules (name, id, type, source, definition, last_slot, last_run)
      select name, gen_random_uuid(), 'echo', 'api',
        jsonb_build_object('everyMs', 1000, 'timeZone', 'UTC', 'overlap', 'skip', 'missed', missed,
          'job', '{"type":"echo","data":{"message":"a"}}'::jsonb),
        '2026-11-28T10:00:00Z',
        '{"slot":"2026-11-28T10:00:00.000Z","at":"2026-11-28T10:05:00.000Z","outcome":"skipped","jobId":null,"reason":"missed","detail":null}'
      from (values ('a', 'once'), ('b', 'skip')) as old (name, missed);
      insert into schedules (name, id, type, source, definition)
      values ('c', gen_random_uuid(), 'echo', 'api', '{"missed":"skip"}')`);
    for (const text of texts.slice(18)) await tx.unsafe(text);

    const [job] = await tx<{ generation: number; history: unknown[] }[]>`
      select generation, history from jobs`;
    expect(job?.generation).toBe(3);
    expect(parseHistory(job!.history)).toEqual([
      {
        generation: 2,
        status: "dead",
        attempts: 1,
        error: null,
        settledAt: "2026-11-28T10:00:00.000Z",
      },
    ]);
    expect(await tx`select from dedup_windows`).toHaveLength(1);
    const schedules = await tx`
      select name, definition ->> 'misfire' as misfire, definition ? 'missed' as "hasMissed", last_run from schedules
      order by name`;
    expect(schedules.map(({ misfire, hasMissed }) => [misfire, hasMissed])).toEqual([
      ["catch-up", false],
      ["skip", false],
      ["skip", false],
    ]);
    expect(schedules[2]!["last_run"]).toBeNull();
    expect(Schedule.shape.lastRun.parse(schedules[0]!["last_run"])).toMatchObject({
      scheduledFor: "2026-11-28T10:00:00.000Z",
      reason: "misfire",
    });
    const named = await tx`
      select relname from pg_class where relnamespace = 'old'::regnamespace and relname like '%key_windows%'
      union all select conname from pg_constraint where connamespace = 'old'::regnamespace and conname ~ 'key_windows|jobs_run_|reach'`;
    expect([...named]).toEqual([]);
  });
});

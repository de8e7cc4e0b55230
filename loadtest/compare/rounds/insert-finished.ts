import type { SQL } from "bun";

/**
 * Inserts completed jobs of the last six days. Indexes are built afterwards, which takes half the time, and the table
 * is vacuumed, as it would be after six days. 16 rows fill a page: longer rows would leave space for one pending job on
 * each page, so that each of the next jobs would change another old page. A ledger that filled by use has no such pages.
 */
export async function insertFinished(sql: SQL, count: number): Promise<void> {
  const indexes = (await sql`
    select indexname as name, indexdef as definition from pg_indexes
    where schemaname = 'public' and tablename = 'jobs' and indexname not like '%_pkey'`) as {
    name: string;
    definition: string;
  }[];
  for (const { name } of indexes) await sql.unsafe(`drop index "${name}"`);
  await sql`
    insert into jobs (
      id, queue, type, status, data, options, attempts, started_at, duration_ms, worker, result, created_at, settled_at
    )
    select
      (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(number & 4095), 3, '0') ||
        '8' || substr(md5(number::text), 1, 15))::uuid,
      'default', 'echo', 'completed', ${{ message: "x".repeat(117) }}::jsonb,
      ${{ attempts: 3, backoff: { type: "exponential", delay: 1000 } }}::jsonb,
      1, at, 1, 'h:1', ${{ message: "x".repeat(117) }}::jsonb, at, at + interval '10 ms'
    from generate_series(1, ${count}::int) as number,
      lateral (select now() - interval '6 days' + number * (interval '6 days' / ${count}::int) as at) as times`;
  for (const { definition } of indexes) await sql.unsafe(definition);
  await sql`vacuum analyze jobs`;
}

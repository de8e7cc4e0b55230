import type { Sql } from "postgres";

/**
 * Reproduces the first minutes of a busy ledger: no statistics are collected, and a connection keeps the plan of a
 * statement's first execution. Applies to connections opened later.
 */
export async function _keepFirstPlans(sql: Sql): Promise<void> {
  await sql.unsafe(`
    do $$ declare name text; begin
      execute format('alter database %I set plan_cache_mode = force_generic_plan', current_database());
      for name in select tablename from pg_tables where schemaname = 'public' loop
        execute format('alter table %I set (autovacuum_enabled = off)', name);
      end loop;
    end $$`);
}

/**
 * Fills the tables that grow with client activity, as fast as Postgres can. Collects no statistics and creates nothing:
 * even a temporary table could invalidate the cached plans.
 */
export async function _growTables(sql: Sql, rows: number): Promise<void> {
  const id = "(lpad(to_hex(n), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
  const grown = `(select n, ${id} as id from generate_series(1, ${rows}) as n) as grown`;
  await sql.unsafe(`
    insert into jobs (id, tenant, queue, type, key, status, data, options, import_id, quota_key, labels, expires_at, settled_at)
      select id, case n % 2 when 0 then 'default' else 'other' end, 'default', 'echo', 'grown-' || n,
        case n % 4 when 0 then 'pending' when 1 then 'completed' when 2 then 'dead' else 'cancelled' end,
        '{"message":"a"}', '{"attempts":3,"backoff":{"type":"fixed","delay":1}}', id, 'key-' || n, array['a'],
        now() + interval '1 day', case n % 4 when 0 then null else now() end
      from ${grown};
    insert into job_terms (tenant, term, job_id) select 'default', 'l:grown-' || n % 10, id from ${grown};
    insert into dedup_windows (tenant, type, key, job_id, until)
      select 'default', 'echo', 'grown-' || n, id, now() + interval '1 day' from ${grown};
    insert into idempotency_keys (tenant, key, request_hash, status, body)
      select case n % 2 when 0 then 'default' else 'other' end, 'grown-' || n, 'hash', 200, '{}' from ${grown};
    insert into imports (id, type, status) select id, 'row.import', 'received' from ${grown};
    insert into imported_rows (import_id, row, values) select id, n, '{}' from ${grown};
    insert into feed_items (source, guid, item) select 's' || n % 100, 'grown-' || n, '{}' from ${grown};
    insert into feeds (source, url) select 'grown-' || n, 'http://a.test/' from ${grown};
    insert into operations (id, action, filter, restrictions, status, ended_at)
      select id, 'cancel', '{}', '{}', 'done', now() from ${grown};
    insert into schedules (tenant, name, id, type, definition, source, next_at)
      select 'other', 'grown-' || n, id, 'echo', '{}', 'api', now() + interval '1 day' from ${grown}`);
}

/**
 * Returns the number of rows and index entries read so far, by table and index. A connection reports its reads when it
 * closes: close the measured connections first.
 */
export async function _rowsRead(sql: Sql): Promise<{ reader: string; rows: number }[]> {
  return sql<{ reader: string; rows: number }[]>`
    select relname || ' (sequential)' as reader, seq_tup_read::int as rows
    from pg_stat_user_tables where seq_tup_read > 0
    union all
    select indexrelname, idx_tup_read::int from pg_stat_user_indexes where idx_tup_read > 0
    order by rows desc`;
}

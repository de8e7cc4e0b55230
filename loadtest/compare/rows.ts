import postgres from "postgres";

/** The table of a team that keeps one row per job. */
export interface Rows {
  insert(ids: string[], jobs: readonly { type: string; data: unknown }[]): Promise<void>;
  complete(id: string, result: unknown): Promise<void>;
}

export async function openRows(databaseUrl: string): Promise<Rows> {
  const sql = postgres(databaseUrl, { onnotice: () => {} });
  await sql`create schema if not exists bench`;
  await sql`
    create table if not exists bench.jobs (
      id text primary key, type text not null, data text not null, status text not null default 'pending',
      result text, created_at timestamptz not null default now(), settled_at timestamptz
    )`;
  return {
    async insert([id = "", ...others], [job, ...otherJobs]) {
      if (job === undefined) return;
      if (others.length === 0) {
        const { type, data } = job;
        await sql`insert into bench.jobs (id, type, data) values (${id}, ${type}, ${JSON.stringify(data)})`;
        return;
      }
      const all = [job, ...otherJobs];
      const [types, data] = [
        all.map(({ type }) => type),
        all.map((one) => JSON.stringify(one.data)),
      ];
      await sql`
        insert into bench.jobs (id, type, data)
        select * from unnest(${[id, ...others]}::text[], ${types}::text[], ${data}::text[])`;
    },
    async complete(id, result) {
      await sql`
        update bench.jobs set status = 'completed', result = ${JSON.stringify(result)}, settled_at = now()
        where id = ${id}`;
    },
  };
}

import type { Redis } from "ioredis";
import type { Sql } from "postgres";

/** Dumps every key of Redis as text. */
export async function dumpRedis(redis: Redis): Promise<string> {
  const found: string[] = [];
  for await (const keys of redis.scanStream({ count: 1000 })) {
    for (const key of keys as string[]) found.push(`${key} ${await readKey(redis, key)}`);
  }
  return found.join("\n");
}

async function readKey(redis: Redis, key: string): Promise<string> {
  const type = await redis.type(key);
  switch (type) {
    case "string":
      return String(await redis.get(key));
    case "hash":
      return JSON.stringify(await redis.hgetall(key));
    case "list":
      return JSON.stringify(await redis.lrange(key, 0, -1));
    case "set":
      return JSON.stringify(await redis.smembers(key));
    case "zset":
      return JSON.stringify(await redis.zrange(key, "0", "-1", "WITHSCORES"));
    case "stream":
      return JSON.stringify(await redis.xrange(key, "-", "+"));
    case "none":
      return "";
    default:
      throw new Error(`${key} is of the unknown type ${type}`);
  }
}

/** Dumps every row of every table as text. */
export async function dumpPostgres(sql: Sql): Promise<string> {
  const tables = await sql<{ schema: string; name: string }[]>`
    select table_schema as schema, table_name as name from information_schema.tables
    where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`;
  const found: string[] = [];
  for (const { schema, name } of tables) {
    const rows = await sql<{ text: string }[]>`
      select t::text as text from ${sql(schema)}.${sql(name)} as t`;
    found.push(...rows.map(({ text }) => `${name} ${text}`));
  }
  return found.join("\n");
}

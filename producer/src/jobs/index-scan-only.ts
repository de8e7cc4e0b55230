import type { ISql } from "postgres";

const parameters = {
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_sort: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  plan_cache_mode: "force_generic_plan",
  jit: "off",
};

/**
 * Until the transaction ends, statements walk along indexes: where a limit and the order of an index bound what is
 * read, statistics of a table that was still small, or of values that are spread otherwise, must not choose anything else.
 */
export async function indexScanOnly(sql: ISql): Promise<void> {
  await sql`select set_config(key, value, true) from jsonb_each_text(${sql.json(parameters)})`;
}

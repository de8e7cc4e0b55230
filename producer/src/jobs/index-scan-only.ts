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
 * Restricts the transaction to index scans. A limit and the order of an index bound what these statements read; with
 * statistics of a small or skewed table, the planner might choose a plan that reads far more.
 */
export async function indexScanOnly(sql: ISql): Promise<void> {
  await sql`select set_config(key, value, true) from jsonb_each_text(${sql.json(parameters)})`;
}

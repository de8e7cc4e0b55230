import type { ISql, PendingQuery } from "postgres";

type Value = string | number | null;

/** Adds a parameter to a statement; returns its placeholder. */
export type AddParameter = (value: Value | readonly Value[]) => string;

/**
 * Runs a prepared statement whose text `build` returns. For statements that are assembled from parts: each part that is a
 * fragment of postgres.js costs a promise. The text must consist of constants and placeholders.
 */
export function runStatement<Row extends object>(
  sql: ISql,
  build: (add: AddParameter) => string,
): PendingQuery<Row[]> {
  const values: (Value | readonly Value[])[] = [];
  const text = build((value) => `$${values.push(value)}`);
  // Safe cast: postgres.js takes arrays as parameters of any type.
  return sql.unsafe<Row[]>(text, values as never[], { prepare: true });
}

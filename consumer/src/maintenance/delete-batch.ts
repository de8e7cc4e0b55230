/** Parameters of one delete statement. */
export interface DeleteBatch {
  /** Retention age, by Postgres' clock. */
  ageMs: number;
  size: number;
  /** Where the previous batch ended, so that deleted rows are not scanned again; undefined in the first batch. */
  after: string | undefined;
}

export interface DeleteResult {
  count: number;
  /** Rows that were examined and are kept. */
  kept?: number;
  /** Undefined when no rows are left. */
  next: string | undefined;
}

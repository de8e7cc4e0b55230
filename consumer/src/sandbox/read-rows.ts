import { isLockTimeout, isTransient } from "@toril/contract/engine/postgres/errors";
import type { RetryingLedger } from "../stores/retrying-ledger.ts";

export interface RowPage {
  /** JSON text: an array of the rows' values, in order. */
  values: string;
  lastRow: number;
}

/**
 * Reads the next rows of an import after `afterRow`; undefined when there are none.
 * @param jobId the import must belong to the tenant of this job
 */
export type ReadRows = (
  jobId: string,
  importId: string,
  afterRow: number,
) => Promise<RowPage | undefined>;

const pageRows = 1000;
/** Size as stored; large rows are compressed. */
const pageBytes = 250_000;

/** Reads pages as JSON text, so that the sandbox thread parses them. */
export function createReadRows(ledger: RetryingLedger): ReadRows {
  return async (jobId, importId, afterRow) => {
    const [page] = await ledger.retryUntilAvailable(
      (sql) => sql<{ values: string | null; lastRow: number }[]>`
        select json_agg(values order by row)::text as values, max(row) as "lastRow"
        from (
          select row, values, sum(size) over (order by row) - size as before
          from (
            select row, values, pg_column_size(values) as size from imported_rows
            where tenant = (select tenant from jobs where id = ${jobId}::uuid)
              and import_id = ${importId}::uuid and row > ${afterRow}
            order by row limit ${pageRows}
          ) as next
        ) as page
        where before < ${pageBytes}`,
      (error) => !isTransient(error) && !isLockTimeout(error),
    );
    return page === undefined || page.values === null
      ? undefined
      : { values: page.values, lastRow: page.lastRow };
  };
}

import type { FinalStatus } from "@toril/contract/api/job-states";
import type { ISql } from "postgres";
import { deleteIdempotencyKeys } from "./delete-idempotency-keys.ts";
import { deleteImports } from "./delete-imports.ts";
import { deleteJobs } from "./delete-jobs.ts";
import { deleteDedupWindows } from "./delete-dedup-windows.ts";
import { deleteOperations } from "./delete-operations.ts";

/** Parameters of one delete statement. */
export interface DeleteBatch {
  /** Retention age, by Postgres' clock. */
  ageMs: number;
  size: number;
  /** Where the previous batch ended, so that deleted rows are not scanned again. */
  from: Date;
}

export interface DeleteResult {
  count: number;
  /** Undefined when no rows are left. */
  next: Date | undefined;
}

type DeleteStatement = (sql: ISql, batch: DeleteBatch) => Promise<DeleteResult>;

export const deleteStatements = {
  completed: deleteJobs("completed"),
  dead: deleteJobs("dead"),
  cancelled: deleteJobs("cancelled"),
  expired: deleteJobs("expired"),
  imports: deleteImports,
  idempotencyKeys: deleteIdempotencyKeys,
  dedupWindows: deleteDedupWindows,
  operations: deleteOperations,
} satisfies Record<FinalStatus, DeleteStatement> & Record<string, DeleteStatement>;

export type Retainable = keyof typeof deleteStatements;

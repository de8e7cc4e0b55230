import type { ISql } from "postgres";
import { deleteIdempotencyKeys } from "./delete-idempotency-keys.ts";
import { deleteImports } from "./delete-imports.ts";
import { deleteJobs } from "./delete-jobs.ts";
import { deleteKeyWindows } from "./delete-key-windows.ts";
import { deleteOperations } from "./delete-operations.ts";

/** One batch of what has been kept for long enough. */
export interface Batch {
  /** By Postgres' clock. */
  ageMs: number;
  size: number;
  /** Where the batch before ended, so that what it deleted is not read again. */
  from: Date;
}

export interface Deleted {
  count: number;
  /** Undefined when there is no more. */
  next: Date | undefined;
}

type Sweep = (sql: ISql, batch: Batch) => Promise<Deleted>;

export const sweeps = {
  completed: deleteJobs("completed"),
  dead: deleteJobs("dead"),
  cancelled: deleteJobs("cancelled"),
  expired: deleteJobs("expired"),
  imports: deleteImports,
  idempotencyKeys: deleteIdempotencyKeys,
  keyWindows: deleteKeyWindows,
  operations: deleteOperations,
} satisfies Record<string, Sweep>;

export type Retainable = keyof typeof sweeps;

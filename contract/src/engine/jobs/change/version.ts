import type { JobColumns } from "../../postgres/tables.ts";
import type { ISql } from "postgres";

export type VersionedJob = Pick<
  JobColumns,
  "generation" | "status" | "options" | "runAt" | "expiresAt"
>;

/**
 * Returns the version of a job, which changes with every change by a client and when the job ends. Contains no dot and
 * no quote.
 */
export function toVersion({ generation, status, options, runAt, expiresAt }: VersionedJob): string {
  const parts = [
    generation,
    status,
    options.priority ?? 0,
    runAt?.getTime() ?? 0,
    expiresAt?.getTime() ?? 0,
  ];
  return parts.join("-");
}

/** Locks a job until the transaction ends and returns its version; undefined if the job does not exist. */
export async function lockVersion(tx: ISql, id: string): Promise<string | undefined> {
  const [row] = await tx<VersionedJob[]>`
    select generation, status, options, run_at as "runAt", expires_at as "expiresAt"
    from jobs where id = ${id} for update`;
  return row && toVersion(row);
}

import type { ISql } from "postgres";
import type { JobOptions, JobStatus } from "../../../api/job.ts";

export interface VersionedJob {
  run: number;
  status: JobStatus;
  options: JobOptions;
  runAt: Date | null;
  expiresAt: Date | null;
}

/** Another one after every change that a client, or its end, makes to a job. Has no dot and no quote. */
export function toVersion({ run, status, options, runAt, expiresAt }: VersionedJob): string {
  const parts = [
    run,
    status,
    options.priority ?? 0,
    runAt?.getTime() ?? 0,
    expiresAt?.getTime() ?? 0,
  ];
  return parts.join("-");
}

/** Locks a job until the transaction ends; its version is undefined when there is no such job. */
export async function lockVersion(tx: ISql, id: string): Promise<string | undefined> {
  const [row] = await tx<VersionedJob[]>`
    select run, status, options, run_at as "runAt", expires_at as "expiresAt"
    from jobs where id = ${id} for update`;
  return row && toVersion(row);
}

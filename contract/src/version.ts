import type { JobOptions, JobStatus } from "./job.ts";

/** What of a row of the ledger a client may want to see unchanged. */
export interface Versioned {
  run: number;
  status: JobStatus;
  options: JobOptions;
  runAt: Date | null;
  expiresAt: Date | null;
}

/** Another one when the job ended, was retried or changed; the same while it only moves on. */
export function versionOf({ run, status, options, runAt, expiresAt }: Versioned): string {
  const times = [runAt, expiresAt].map((time) => time?.getTime().toString(36) ?? "");
  return [run, status[0], options.priority ?? "", ...times].join("-");
}

import type { JobOptions, JobStatus } from "../job.ts";

export interface VersionedJob {
  run: number;
  status: JobStatus;
  options: JobOptions;
  runAt: Date | null;
  expiresAt: Date | null;
}

/** Another one after every change that a client, or its end, makes to a job. Has no dot and no quote. */
export function versionOf({ run, status, options, runAt, expiresAt }: VersionedJob): string {
  const parts = [
    run,
    status,
    options.priority ?? 0,
    runAt?.getTime() ?? 0,
    expiresAt?.getTime() ?? 0,
  ];
  return parts.join("-");
}

/** Whether an `If-Match` names this version; what follows it behind a dot is of the answer that told it. */
export function matchesVersion(ifMatch: string, version: string): boolean {
  const tags = ifMatch.split(",").map((tag) => tag.trim());
  return tags.some((tag) => tag === "*" || /^"([^".]*)[^"]*"$/.exec(tag)?.[1] === version);
}

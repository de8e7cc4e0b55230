import type { FieldError } from "../../../api/json/json.ts";
import type { JobRequest } from "../../../api/jobs/job-request.ts";
import type { JobType } from "../../../api/job-type.ts";
import { limits } from "../../../api/limits.ts";

/** Finds options that contradict each other or the current time. */
export function findConflicts(request: JobRequest, jobType: JobType): FieldError[] {
  const { delayMs, runAt, order, priority, expiresAt, keyPolicy } = request;
  if ((runAt ?? order ?? expiresAt ?? keyPolicy) === undefined) return [];
  const errors: FieldError[] = [];
  const refuse = (field: string, detail: string) => errors.push({ pointer: `/${field}`, detail });
  const now = Date.now();
  const due = runAt === undefined ? now + (delayMs ?? 0) : Date.parse(runAt);

  if (runAt !== undefined && delayMs !== undefined)
    refuse("runAt", "`delayMs` and `runAt` are mutually exclusive.");
  if (due > now + limits.delayMs) refuse("runAt", "At most 365 days ahead.");
  if (order === "lifo" && priority !== undefined)
    refuse("order", "`lifo` and a priority are mutually exclusive.");
  if (order === "lifo" && due > now) refuse("order", "`lifo` requires a job that is due now.");
  if (expiresAt !== undefined && Date.parse(expiresAt) <= Math.max(now, due)) {
    refuse("expiresAt", "The job would expire before its start time.");
  }
  const { key, data } = request;
  const isKeyed = key !== undefined || Boolean(jobType.key?.(data));
  if (keyPolicy !== undefined && !isKeyed) refuse("keyPolicy", "Requires a key.");
  return errors;
}

/** Returns when a job is due; null: now. */
export function getRunAt({ delayMs, runAt }: JobRequest): Date | null {
  if (runAt !== undefined) return new Date(runAt);
  return delayMs ? new Date(Date.now() + delayMs) : null;
}

/** Returns until when a job must have started; null: no limit. */
export function getExpiresAt(
  { expiresAt }: JobRequest,
  expiresInMs: number | undefined,
  runAt: Date | null,
): Date | null {
  if (expiresAt !== undefined) return new Date(expiresAt);
  if (expiresInMs === undefined) return null;
  return new Date(Math.max(Date.now(), runAt?.getTime() ?? 0) + expiresInMs);
}

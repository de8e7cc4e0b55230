import { limits } from "../../../api/job.ts";
import type { JobRequest } from "../../../api/job-request.ts";
import type { JobType } from "../../../api/job-type.ts";
import type { FieldError } from "../../../api/json.ts";

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
  if (order === "lifo" && due > now)
    refuse("order", "A job that is not due yet has no place in front.");
  if (expiresAt !== undefined && Date.parse(expiresAt) <= Math.max(now, due)) {
    refuse("expiresAt", "It would expire before it may run.");
  }
  const { key, data } = request;
  const isKeyed = key !== undefined || jobType.key?.(data) !== undefined;
  if (keyPolicy !== undefined && !isKeyed) refuse("keyPolicy", "It needs a key.");
  return errors;
}

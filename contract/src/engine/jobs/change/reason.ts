import type { JobError } from "../../../api/jobs/job.ts";

const maxReasonLength = 200;
const maxReadLength = 1000;

/** Returns the reason by which dead letters are grouped: the error without numbers, ids and quoted parts. */
export function toDeadLetterReason({ name, message }: Pick<JobError, "name" | "message">): string {
  const text = `${name}: ${message}`
    .slice(0, maxReadLength)
    .replaceAll(/(?<!\w)(["'`])[^"'`]*\1(?!\w)/g, "$1...$1")
    .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, "#")
    .replaceAll(/\b(?=[a-f]*\d)[0-9a-f]{16,}\b/gi, "#")
    .replaceAll(/\d+/g, "#")
    .replaceAll(/\s+/g, " ");
  return text.slice(0, maxReasonLength).toWellFormed();
}

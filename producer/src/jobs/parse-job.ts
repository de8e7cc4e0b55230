import type { FieldError } from "@toril/contract/api/json/json";
import { parseJobRequest } from "@toril/contract/api/jobs/parse-job-request";
import { createNewJob, type NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { ProblemError } from "../http/problem.ts";
import { toJobProblem } from "./job-problem.ts";
import type { EntryContext } from "./parse-bulk.ts";

/**
 * Parses one job of a request with several. Throws a problem with pointers into the request.
 * @param pointer of the job
 */
export function parseJob(value: unknown, pointer: string, context: EntryContext): NewJob {
  const { jobTypes, origin, secretKeys } = context;
  const below = (errors: readonly FieldError[] = []) =>
    errors.map((error) => ({ ...error, pointer: pointer + error.pointer }));
  const parsed = parseJobRequest(jobTypes, value);
  if (!parsed.success) {
    const { kind, detail, errors } = toJobProblem(jobTypes, value, parsed.error);
    throw new ProblemError(kind, detail, below(errors));
  }
  const created = createNewJob(jobTypes, parsed.data, origin, secretKeys);
  if (created.status === "ok") return created.job;
  throw new ProblemError(created.kind, created.detail, below(created.errors));
}

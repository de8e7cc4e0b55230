import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { FieldError } from "@toril/contract/api/json/json";
import { fieldErrors, type ProblemKind } from "@toril/contract/api/problem";
import { createScrub } from "@toril/contract/engine/secrets/scrub";
import type { z } from "zod";

interface JobProblem {
  kind: ProblemKind;
  detail: string | undefined;
  errors: FieldError[];
}

/**
 * Returns the problem of a value that is not a `JobRequest`: an unknown job type, or invalid fields. Secrets are
 * redacted from the details.
 */
export function toJobProblem(
  jobTypes: JobTypeRegistry,
  value: unknown,
  { issues }: z.ZodError,
): JobProblem {
  const { type, data } = getFields(value);
  const jobType = typeof type === "string" ? jobTypes.find(type) : undefined;
  const errors = fieldErrors(issues);
  if (typeof type === "string" && jobType === undefined) {
    return {
      kind: "job-type-not-found",
      detail: `Known types: ${jobTypes.names.join(", ")}.`,
      errors,
    };
  }
  const scrub = jobType?.findSecrets && createScrub(data, jobType.findSecrets);
  return {
    kind: "invalid-job",
    detail: undefined,
    errors: scrub
      ? errors.map((error) => ({ ...error, detail: scrub.text(error.detail) }))
      : errors,
  };
}

/** Whether a value names a job type that does not exist. */
export function hasUnknownType(jobTypes: JobTypeRegistry, value: unknown): boolean {
  const { type } = getFields(value);
  return typeof type === "string" && jobTypes.find(type) === undefined;
}

function getFields(value: unknown): { type?: unknown; data?: unknown } {
  return typeof value === "object" && value !== null ? value : {};
}

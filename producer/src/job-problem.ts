import { findJobType, jobTypeNames } from "@toril/contract/jobs";
import type { ProblemKind } from "@toril/contract/problem";

/** Which problem a value is that is no `JobRequest`: its type is one that nobody knows, or a field is wrong. */
export function jobProblem(value: unknown): { kind: ProblemKind; detail: string | undefined } {
  const type = typeof value === "object" && value !== null && "type" in value && value.type;
  return typeof type === "string" && findJobType(type) === undefined
    ? { kind: "unknown-type", detail: `Known types: ${jobTypeNames.join(", ")}.` }
    : { kind: "invalid-job", detail: undefined };
}

import { findUnstorable, parseJson } from "@toril/contract/json";
import { type Problem, problemOf } from "@toril/contract/problem";
import { createNewJob, type NewJob, type Origin } from "@toril/contract/enqueue/new-job";
import { JobRequest } from "@toril/contract/jobs";
import type { KeyRing } from "@toril/contract/secret/key-ring";
import { ProblemError } from "./problem.ts";
import { jobProblem } from "./job-problem.ts";

export type ParsedEntry = { status: "ok"; job: NewJob } | { status: "rejected"; problem: Problem };

/** On whose behalf entries become jobs, and what encrypts their secrets. */
export interface EntryContext {
  origin: Origin;
  secretKeys: KeyRing | undefined;
}

/** One entry, from a value that JSON.parse made. */
export function parseEntry(value: unknown, { origin, secretKeys }: EntryContext): ParsedEntry {
  const unstorable = findUnstorable(value, 0);
  if (unstorable) return rejected(problemOf("unstorable-json", undefined, [unstorable]));
  const parsed = JobRequest.safeParse(value);
  if (!parsed.success) {
    const { kind, detail, errors } = jobProblem(value, parsed.error);
    return rejected(problemOf(kind, detail, errors));
  }
  const made = createNewJob(parsed.data, origin, secretKeys);
  return made.status === "ok" ? made : rejected(problemOf(made.kind, made.detail, made.errors));
}

export function parseJsonArray(
  text: string,
  context: EntryContext,
  maxEntries: number,
): ParsedEntry[] {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    throw new ProblemError("invalid-json", "The text is not valid JSON.");
  }
  if (!Array.isArray(values)) {
    throw new ProblemError(
      "invalid-json",
      "Send an array of jobs, or one job on each line as NDJSON.",
    );
  }
  refuseCount(values.length, maxEntries);
  return values.map((value) => parseEntry(value, context));
}

export function parseNdjson(
  text: string,
  context: EntryContext,
  maxEntries: number,
): ParsedEntry[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  refuseCount(lines.length, maxEntries);
  return lines.map((line) => {
    const parsed = parseJson(line);
    if (parsed.status === "ok") return parseEntry(parsed.value, context);
    return rejected(
      parsed.status === "malformed"
        ? problemOf("invalid-json", parsed.detail)
        : problemOf("unstorable-json", undefined, [parsed.error]),
    );
  });
}

function refuseCount(count: number, maxEntries: number) {
  if (count === 0) throw new ProblemError("empty-body", "There is no entry in it.");
  if (count > maxEntries) {
    throw new ProblemError("too-many-entries", `At most ${maxEntries} entries, here are ${count}.`);
  }
}

function rejected(problem: Problem): ParsedEntry {
  return { status: "rejected", problem };
}

import { limits } from "@toril/contract/job";
import { findUnstorable, parseJson } from "@toril/contract/json";
import { fieldErrors, type Problem, problemOf } from "@toril/contract/problem";
import {
  createNewJob,
  isDataTooLarge,
  type NewJob,
  type Origin,
} from "@toril/contract/enqueue/new-job";
import { JobRequest } from "@toril/contract/jobs";
import { ProblemError } from "./problem.ts";
import { jobProblem } from "./job-problem.ts";

export type ParsedEntry = { status: "ok"; job: NewJob } | { status: "rejected"; problem: Problem };

/** One entry, from a value that JSON.parse made. */
export function parseEntry(value: unknown, origin: Origin): ParsedEntry {
  const unstorable = findUnstorable(value, 0);
  if (unstorable) return rejected(problemOf("unstorable-json", undefined, [unstorable]));
  const parsed = JobRequest.safeParse(value);
  if (!parsed.success) {
    const { kind, detail } = jobProblem(value);
    return rejected(problemOf(kind, detail, fieldErrors(parsed.error.issues)));
  }
  const job = createNewJob(parsed.data, origin);
  if (isDataTooLarge(job)) {
    return rejected(problemOf("data-too-large", `At most ${limits.dataBytes} bytes of data.`));
  }
  return { status: "ok", job };
}

export function parseJsonArray(text: string, origin: Origin, maxEntries: number): ParsedEntry[] {
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
  return values.map((value) => parseEntry(value, origin));
}

export function parseNdjson(text: string, origin: Origin, maxEntries: number): ParsedEntry[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  refuseCount(lines.length, maxEntries);
  return lines.map((line) => {
    const parsed = parseJson(line);
    if (parsed.status === "ok") return parseEntry(parsed.value, origin);
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

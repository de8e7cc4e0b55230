import { limits } from "@toril/contract/api/limits";
import { findUnstorable, parseScanned, findStart } from "@toril/contract/api/json/json";
import { beginScan, scanJson } from "@toril/contract/api/json/json-scan";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import { parseJobRequest } from "@toril/contract/api/jobs/parse-job-request";
import { type Problem, problemType, toProblem } from "@toril/contract/api/problem";
import {
  createNewJob,
  type NewJob,
  type Origin,
} from "@toril/contract/engine/jobs/enqueue/new-job";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { CheckBeginning } from "../http/body.ts";
import { absurdDepth, findParts, type JsonPart, skipSpace, tooDeep } from "../http/json-parts.ts";
import { ProblemError } from "../http/problem.ts";
import { toJobProblem } from "./job-problem.ts";
import { inTurns, nextTurn } from "../http/turn.ts";

export type ParsedEntry = { status: "ok"; job: NewJob } | { status: "rejected"; problem: Problem };

/** The origin of the jobs, and the keys that encrypt their secrets. */
export interface EntryContext {
  jobTypes: JobTypeRegistry;
  origin: Origin;
  secretKeys: KeyRing | undefined;
}

/** Parses one entry. `value` must be storable except for what `findUnstorable` checks. */
export function parseEntry(value: unknown, context: EntryContext): ParsedEntry {
  const unstorable = findUnstorable(value, 0);
  if (unstorable) return toRejected(toProblem("unstorable-json", undefined, [unstorable]));
  return toJob(value, context);
}

function toJob(value: unknown, context: EntryContext): ParsedEntry {
  const { jobTypes } = context;
  const parsed = parseJobRequest(jobTypes, value);
  if (parsed.success) return toNewJob(parsed.data, context);
  const { kind, detail, errors } = toJobProblem(jobTypes, value, parsed.error);
  return toRejected(toProblem(kind, detail, errors));
}

/** Builds the job of a request that is valid and storable. */
export function toNewJob(
  request: JobRequest,
  { jobTypes, origin, secretKeys }: EntryContext,
): ParsedEntry {
  const created = createNewJob(jobTypes, request, origin, secretKeys);
  return created.status === "ok"
    ? created
    : toRejected(toProblem(created.kind, created.detail, created.errors));
}

/** Locates the entries without parsing them, in steps; the generator returns all entries. */
type FindEntries = (bytes: Uint8Array, maxEntries: number) => Generator<void, JsonPart[]>;

export interface BulkFormat {
  find: FindEntries;
  checkBeginning?: CheckBeginning;
  /** Whether an entry with invalid JSON invalidates the whole body. */
  isOneText: boolean;
}

export const jsonArray: BulkFormat = {
  find: findElements,
  checkBeginning: checkArray,
  isOneText: true,
};
export const ndjson: BulkFormat = { find: findLines, isOneText: false };

/** Limits per turn of the event loop. */
const scanBytes = 1_000_000;
const sliceBytes = 64_000;
const sliceEntries = 256;

/** Parses entries one by one, and yields to the event loop between slices. */
export async function parseBulk(
  bytes: Uint8Array,
  { find, isOneText }: BulkFormat,
  { maxEntries, ...context }: EntryContext & { maxEntries: number },
): Promise<ParsedEntry[]> {
  const texts = await inTurns(find(bytes, maxEntries));
  if (texts.length === 0) throw new ProblemError("empty-body", "The body contains no entries.");
  const entries: ParsedEntry[] = [];
  let current: EntryContext = context;
  let sliceStart = 0;
  let sliceEnd = (texts[0]?.start ?? 0) + sliceBytes;
  for (const text of texts) {
    if (text.end > sliceEnd || entries.length - sliceStart === sliceEntries) {
      if (entries.length > sliceStart) await nextTurn();
      sliceStart = entries.length;
      sliceEnd = text.start + sliceBytes;
    }
    const entry = parseText(bytes, text, isOneText, current);
    if (current !== context || !isOfUnknownType(entry)) {
      entries.push(entry);
      continue;
    }
    // The type may have been registered at another producer a moment ago.
    current = await withNewestTypes(context);
    entries.push(parseText(bytes, text, isOneText, current));
  }
  return entries;
}

const unknownType = problemType("job-type-not-found");

function isOfUnknownType(entry: ParsedEntry): boolean {
  return entry.status === "rejected" && entry.problem.type === unknownType;
}

async function withNewestTypes(context: EntryContext): Promise<EntryContext> {
  const { jobTypes, origin } = context;
  if (await jobTypes.refresh()) return { ...context, jobTypes: jobTypes.forTenant(origin.tenant) };
  throw new ProblemError("at-capacity", "The job types cannot be read at the moment.");
}

function parseText(
  bytes: Uint8Array,
  { start, end, scan }: JsonPart,
  isOneText: boolean,
  context: EntryContext,
): ParsedEntry {
  if (end - start > limits.bodyBytes) {
    return toRejected(toProblem("data-too-large", `At most ${limits.bodyBytes} bytes per entry.`));
  }
  const parsed = parseScanned(bytes.subarray(start, end), scan);
  if (parsed.status === "ok") return toJob(parsed.value, context);
  if (parsed.status === "unstorable") {
    return toRejected(toProblem("unstorable-json", undefined, [parsed.error]));
  }
  if (isOneText) throw new ProblemError("invalid-json", parsed.detail);
  return toRejected(toProblem("invalid-json", parsed.detail));
}

const [openBracket, lineBreak] = [0x5b, 0x0a];

/** Returns the offset of the bracket that opens an array. Throws a problem for other text. */
function findArray(bytes: Uint8Array): number {
  const open = skipSpace(bytes, findStart(bytes));
  if (bytes[open] === openBracket) return open;
  throw new ProblemError(
    "invalid-json",
    "Send a JSON array of jobs, or NDJSON with one job per line.",
  );
}

/** Refuses other text and absurd nesting: reading such a body to its end would cost a hundred times as much. */
function checkArray(beginning: Uint8Array): void {
  const scan = beginScan(findArray(beginning));
  scanJson(scan, beginning, beginning.length);
  if (scan.open > absurdDepth) throw new ProblemError("invalid-json", tooDeep);
}

function findElements(bytes: Uint8Array, maxEntries: number): Generator<void, JsonPart[]> {
  return findParts(bytes, findArray(bytes), maxEntries, () => toTooManyProblem(maxEntries));
}

/** Locates the lines that are not blank. */
function* findLines(bytes: Uint8Array, maxEntries: number): Generator<void, JsonPart[]> {
  const texts: JsonPart[] = [];
  let start = skipSpace(bytes, findStart(bytes));
  let stepEnd = start + scanBytes;
  while (start < bytes.length) {
    if (texts.length === maxEntries) throw toTooManyProblem(maxEntries);
    const lineEnd = bytes.indexOf(lineBreak, start);
    const end = lineEnd === -1 ? bytes.length : lineEnd;
    const scan = beginScan(start);
    // The scan stops after the value; `JSON.parse` then throws for anything that follows. An overlong line is not
    // parsed at all.
    if (end - start <= limits.bodyBytes) scanJson(scan, bytes, end);
    texts.push({ start, end, scan });
    start = skipSpace(bytes, end);
    if (start > stepEnd) {
      yield;
      stepEnd = start + scanBytes;
    }
  }
  return texts;
}

function toTooManyProblem(maxEntries: number) {
  return new ProblemError("too-many-entries", `At most ${maxEntries} entries are allowed.`);
}

function toRejected(problem: Problem): ParsedEntry {
  return { status: "rejected", problem };
}

import { escapePointer, parseScanned } from "@toril/contract/api/json/json";
import { beginScan, scanJson } from "@toril/contract/api/json/json-scan";
import { graphLimits } from "@toril/contract/api/jobs/graph";
import { findParts, notJson, skipSpace } from "../http/json-parts.ts";
import { ProblemError } from "../http/problem.ts";

/** Fields of a node; a node has at most three valid ones. */
const maxFields = 32;

const [quote, backslash, colon] = [0x22, 0x5c, 0x3a];
const [openBracket, openBrace] = [0x5b, 0x7b];

/**
 * Reads a node of a graph without parsing its jobs: `job` is returned as JSON text, and `children` as an array of JSON
 * texts if `children` is an array. Throws a problem for other text. Yields between steps.
 */
export function* readNode(
  text: Uint8Array,
  pointer: string,
  maxChildren: number,
): Generator<void, unknown> {
  const open = skipSpace(text, 0);
  if (text[open] !== openBrace) return parseText(text, pointer);
  const fields = new Map<string, unknown>();
  const tooMany = () => new ProblemError("too-many-entries", `At most ${maxFields} fields.`);
  for (const { start, end } of yield* findParts(text, open, maxFields, tooMany)) {
    const { name, value } = splitMember(text.subarray(start, end), pointer);
    const below = `${pointer}/${escapePointer(name)}`;
    if (fields.has(name)) throw unstorable(below, "A second member of this name.");
    if (name === "job") fields.set(name, value);
    else if (name !== "children") fields.set(name, parseText(value, below));
    else fields.set(name, (yield* findChildren(value, maxChildren)) ?? parseText(value, below));
  }
  return Object.fromEntries(fields);
}

/** Parses the JSON of a node or job. Throws a problem with pointers into the body. */
export function parseText(text: Uint8Array, pointer: string): unknown {
  const scan = beginScan(0);
  if (scanJson(scan, text, text.length)) throw notJson();
  const parsed = parseScanned(text, scan);
  if (parsed.status === "ok") return parsed.value;
  if (parsed.status === "malformed") throw new ProblemError("invalid-json", parsed.detail);
  throw unstorable(pointer + parsed.error.pointer, parsed.error.detail);
}

function* findChildren(
  text: Uint8Array,
  maxChildren: number,
): Generator<void, Uint8Array[] | undefined> {
  const open = skipSpace(text, 0);
  if (text[open] !== openBracket) return undefined;
  const detail = `At most ${graphLimits.jobs} jobs in one graph.`;
  const tooMany = () => new ProblemError("too-many-entries", detail);
  const parts = yield* findParts(text, open, maxChildren, tooMany);
  return parts.map(({ start, end }) => text.subarray(start, end));
}

function splitMember(text: Uint8Array, pointer: string): { name: string; value: Uint8Array } {
  const start = skipSpace(text, 0);
  if (text[start] !== quote) throw notJson();
  let end = start + 1;
  while (end < text.length && text[end] !== quote) end += text[end] === backslash ? 2 : 1;
  end += 1;
  const colonAt = skipSpace(text, end);
  if (text[colonAt] !== colon) throw notJson();
  const name = parseText(text.subarray(start, end), pointer) as string;
  return { name, value: text.subarray(colonAt + 1) };
}

function unstorable(pointer: string, detail: string): ProblemError {
  return new ProblemError("unstorable-json", undefined, [{ pointer, detail }]);
}

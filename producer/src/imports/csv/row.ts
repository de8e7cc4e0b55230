import { limits } from "@toril/contract/api/job";
import type { CsvOptions } from "./record.ts";

type Delimiter = CsvOptions["delimiter"];

/** Returns what is wrong with the header's names, or null. */
export function findHeaderError(names: readonly string[]): string | null {
  if (names.length > limits.csvColumns) {
    return `it names ${names.length} columns, of which ${limits.csvColumns} are allowed`;
  }
  const [first = ""] = names;
  if (first.trim() === "") return "it is blank";
  if (Number.isFinite(Number(first))) return `it begins with the number ${first.trim()}`;
  if (names.some((name) => name.trim() === "")) return "one of its names is blank";
  const seen = new Set<string>();
  const repeated = names.find((name) => seen.size === seen.add(name).size);
  if (repeated !== undefined) return `it names ${JSON.stringify(repeated)} twice`;
  // The only name that assignment does not turn into an own property.
  if (names.includes("__proto__")) return `"__proto__" is not allowed as a name`;
  if (names.some((name) => name.includes("\0"))) return "one of its names contains a NUL character";
  return null;
}

/** Returns what is wrong with a row, or null. */
export function findRowError(names: readonly string[], values: readonly string[]): string | null {
  if (values.length !== names.length) {
    return `The row has ${formatFieldCount(values.length)}, the header ${names.length}.`;
  }
  const index = values.findIndex((value) => value.includes("\0"));
  return index === -1
    ? null
    : `The field ${JSON.stringify(names[index])} contains a NUL character.`;
}

export function toRow(names: readonly string[], values: readonly string[]): Record<string, string> {
  const row: Record<string, string> = {};
  for (let index = 0; index < names.length; index += 1) {
    row[names[index] as string] = values[index] as string;
  }
  return row;
}

/** Whether each quote in `raw` opens a field, closes it, or is doubled within one. */
export function isWellQuoted(raw: string, delimiter: Delimiter): boolean {
  let at = 0;
  while (at <= raw.length) {
    if (raw[at] === '"') {
      at = findClosingQuote(raw, at + 1) + 1;
      if (at === 0 || (at < raw.length && raw[at] !== delimiter)) return false;
    } else {
      const next = raw.indexOf(delimiter, at);
      const end = next === -1 ? raw.length : next;
      if (raw.slice(at, end).includes('"')) return false;
      at = end;
    }
    at += 1;
  }
  return true;
}

function findClosingQuote(raw: string, from: number): number {
  let at = raw.indexOf('"', from);
  while (at !== -1 && raw[at + 1] === '"') at = raw.indexOf('"', at + 2);
  return at;
}

function formatFieldCount(fields: number): string {
  return fields === 1 ? "1 field" : `${fields} fields`;
}

import { limits } from "@toril/contract/api/limits";
import { findClosingQuote } from "./row-scanner.ts";

export interface CsvOptions {
  /** One character. */
  delimiter: string;
  /** A label of the WHATWG Encoding Standard; the default is UTF-8. */
  charset?: string | undefined;
  maxRowBytes: number;
  /** False: the first row is data. True by default. */
  hasHeader?: boolean | undefined;
  /** Names of the columns; a header must have the same. Without both, the names are `column1`, `column2` ... */
  columns?: readonly string[] | undefined;
  /** What a first line such as `sep=;` does: it sets the delimiter, or must agree with it. */
  sepLine?: "sets" | "agrees" | undefined;
  /** Whether the first row is a header even if its first name is a number. */
  isHeaderCertain?: boolean | undefined;
  /** Whether the text continues a file whose charset is known: it has no byte order mark. */
  isContinuation?: boolean | undefined;
  /** Called once, before the first records. */
  onHeader?: ((columns: readonly string[], charset: string) => Promise<void>) | undefined;
}

/** `line` is the line where the row begins; the header is line 1. `raw` is its text. */
export type CsvRecord =
  | { status: "row"; line: number; row: Record<string, string>; raw: string }
  | { status: "bad"; line: number; detail: string; raw: string };

/** The file cannot be read from `line` on. */
export class CsvError extends Error {
  readonly line: number;
  readonly detail: string;

  constructor(line: number, detail: string) {
    super(`line ${line}: ${detail}`);
    this.line = line;
    this.detail = detail;
  }
}

export const byteOrderMark = "\uFEFF";

/** Returns the error of a header, or null. @param isCertain whether names may be numbers */
export function findHeaderError(names: readonly string[], isCertain: boolean): string | null {
  if (names.length > limits.csvColumns) {
    return `${names.length} columns exceed the maximum of ${limits.csvColumns}`;
  }
  if (names.every(isBlank)) return "the line is blank";
  const blank = names.findIndex(isBlank);
  if (blank !== -1) return `column ${blank + 1} has no name`;
  const [first = ""] = names;
  if (first.startsWith(byteOrderMark)) return "it begins with a second byte order mark";
  if (!isCertain && Number.isFinite(Number(first)))
    return `the first name is the number ${first.trim()}; send header=absent if the line is data, else header=present`;
  const seen = new Set<string>();
  const repeated = names.find((name) => seen.size === seen.add(name).size);
  if (repeated !== undefined) return `duplicate column name ${JSON.stringify(repeated)}`;
  // The only name that assignment does not turn into an own property.
  if (names.includes("__proto__")) return `"__proto__" is not allowed as a column name`;
  if (names.some((name) => name.includes("\0")))
    return "a column name contains a NUL character; if the file is UTF-16, send encoding=utf-16le";
  return null;
}

function isBlank(name: string): boolean {
  return name.trim() === "";
}

const delimiterNames = [
  [",", "comma"],
  [";", "semicolon"],
  ["\t", "tab"],
  ["|", "pipe"],
] as const;

/** Returns the value of the parameter `delimiter` for a character. */
export function nameDelimiter(character: string): string {
  return delimiterNames.find(([known]) => known === character)?.[1] ?? character;
}

/** Returns the hint that a header with one name has another delimiter, or null. */
export function findOtherDelimiter(header: string): string | null {
  const counts = delimiterNames.map(([character, name]) => ({
    name,
    count: header.split(character).length - 1,
  }));
  const [most] = counts.toSorted((one, other) => other.count - one.count);
  if (most === undefined || most.count === 0) return null;
  const { name, count } = most;
  return `The first line contains ${count} ${name}${count === 1 ? "" : "s"}: use delimiter=${name}.`;
}

/** Returns the error of a row, or null. @param named number of columns that have a name */
export function findRowError(
  names: readonly string[],
  values: readonly string[],
  mayHaveNul: boolean,
  named: number,
): string | null {
  if (values.length !== names.length) {
    return `The row has ${formatFieldCount(values.length)}, the header ${names.length}.`;
  }
  const unnamed =
    named < values.length ? values.findIndex((value, at) => at >= named && value !== "") : -1;
  if (unnamed !== -1) return `Column ${unnamed + 1} has a value, but no name.`;
  if (!mayHaveNul) return null;
  const index = values.findIndex((value) => value.includes("\0"));
  return index === -1
    ? null
    : `The field ${JSON.stringify(names[index])} contains a NUL character.`;
}

export function toRow(
  names: readonly string[],
  values: readonly string[],
  named: number,
): Record<string, string> {
  const row: Record<string, string> = {};
  for (let index = 0; index < named; index += 1) {
    row[names[index] as string] = values[index] as string;
  }
  return row;
}

/** Splits a row into its values; null if a quote does not open a field, close it, or is doubled within one. */
export function splitRow(raw: string, delimiter: string, hasQuotes: boolean): string[] | null {
  if (!hasQuotes) return raw.split(delimiter);
  const values: string[] = [];
  for (let at = 0; ; at += 1) {
    if (raw[at] === '"') {
      const closing = findClosingQuote(raw, at + 1);
      if (closing === -1) return null;
      values.push(raw.slice(at + 1, closing).replaceAll('""', '"'));
      at = closing + 1;
      if (at < raw.length && raw[at] !== delimiter) return null;
    } else {
      const next = raw.indexOf(delimiter, at);
      const value = next === -1 ? raw.slice(at) : raw.slice(at, next);
      if (value.includes('"')) return null;
      values.push(value);
      at += value.length;
    }
    if (at === raw.length) return values;
  }
}

function formatFieldCount(fields: number): string {
  return fields === 1 ? "1 field" : `${fields} fields`;
}

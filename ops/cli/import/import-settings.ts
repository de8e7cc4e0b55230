import { statSync } from "node:fs";
import type { ImportDefinition, NewImport } from "@toril/client";
import { limits } from "@toril/contract/api/limits";
import {
  type CommandContext,
  getOperand,
  type Options,
  parseChoice,
  type ParsedArguments,
  parseList,
  parseNumber,
  UsageError,
} from "../command.ts";
import { connectionOptions } from "../connection/connect.ts";
import { readJson } from "../output/read-input.ts";
import { isCompressed } from "./open-rows.ts";

const formats = ["csv", "ndjson", "json", "xlsx"] as const;
const unknownColumns = ["reject", "ignore"] as const;

export const importOptions: Options = {
  type: { value: "T", help: "job type of the rows" },
  parallel: { value: "N", help: "parts that are sent at the same time, at most 64 (4)" },
  format: {
    value: "F",
    choices: formats,
    help: "csv, ndjson, json (an array of objects) or xlsx (by the file's name; otherwise csv)",
  },
  delimiter: {
    value: "C",
    help: "one character, or comma, semicolon, tab, pipe, space (comma; tab for .tsv)",
  },
  encoding: { value: "E", help: "encoding of the file, for example windows-1252 (utf-8)" },
  columns: { value: "A,B", help: "names of the columns" },
  sheet: { value: "NAME", help: "sheet of an .xlsx file (the first visible one)" },
  header: { help: "the first row has the column names, even if they are numbers" },
  "no-header": { help: "the first row is data" },
  mapping: { value: "JSON", help: "fields and their columns: JSON, or @FILE" },
  "dedup-key": {
    value: "K",
    help: "key of the jobs: a column, or a template with columns in braces",
  },
  options: { value: "JSON", help: "options of all jobs: JSON, or @FILE" },
  then: {
    value: "TYPE[:JSON]",
    help: "job that runs when the import is done: its type and data, or @FILE with a job request",
  },
  "callback-url": { value: "URL", help: "address to which the end of the import is reported" },
  "unknown-columns": {
    value: "W",
    choices: unknownColumns,
    help: "columns that match no field: reject the rows, or ignore the columns (reject)",
  },
  "max-errors": { value: "N", help: "the import fails when more rows are rejected" },
  "dry-run": { help: "validate all rows and enqueue nothing" },
  compress: { value: "F", choices: ["gzip"], help: "gzip: compress the parts" },
  "part-size": { value: "BYTES", help: "size of a part, at most 8000000 (by the file's size)" },
  resume: { value: "ID", help: "import to resume; needed for standard input only" },
  "no-wait": { help: "return when all rows are accepted, not when all jobs are done" },
  ...connectionOptions,
};

export interface ImportSettings {
  /** `-` for standard input. */
  file: string;
  /** Undefined if it is unknown, or does not say how many rows are left. */
  size: number | undefined;
  /** Without id. */
  definition: NewImport;
  /** The file is an array of objects, which is sent as NDJSON. */
  isJson: boolean;
  /** An .xlsx file, which is sent as one request. */
  workbook: { sheet: string | undefined } | undefined;
  parallel: number;
  partBytes: number;
  compress: "gzip" | undefined;
  resume: string | undefined;
}

/** By default a file has this many parts, so that all producers get some of a small one. */
const usualParts = 16;
const usualPartBytes = { min: 100_000, max: 4_000_000 };

export async function parseImportSettings(
  parsed: ParsedArguments,
  context: CommandContext,
): Promise<ImportSettings> {
  const { options, flags } = parsed;
  const file = getOperand(parsed);
  const { type } = options;
  if (type === undefined) throw new UsageError("--type is missing");
  const format = parseChoice(parsed, "format", formats) ?? findFormat(file);
  requireOptionsOf(parsed, format);
  const fileSize = file === "-" ? undefined : readSize(file);
  const isPacked = file !== "-" && format !== "xlsx" && isCompressed(file);
  const size = format === "xlsx" || isPacked ? undefined : fileSize;
  const read = async (option: "mapping" | "options" | "then") => {
    const text = options[option];
    if (text === "-") throw new UsageError(`--${option} cannot be read from standard input`);
    return text === undefined ? undefined : readJson(option, text, context);
  };
  return {
    file,
    size,
    definition: {
      type,
      format: format === "ndjson" || format === "json" ? "ndjson" : "csv",
      delimiter: options["delimiter"] ?? (/\.tsv$/i.test(getName(file)) ? "tab" : "comma"),
      encoding: options["encoding"],
      header: flags.has("no-header") ? "absent" : flags.has("header") ? "present" : undefined,
      columns: parseList(parsed, "columns"),
      // The service validates both.
      mapping: (await read("mapping")) as ImportDefinition["mapping"],
      options: (await read("options")) as NewImport["options"],
      then: options["then"]?.startsWith("@")
        ? ((await read("then")) as NewImport["then"])
        : parseThen(options["then"]),
      callbackUrl: options["callback-url"],
      key: options["dedup-key"],
      unknownColumns: parseChoice(parsed, "unknown-columns", unknownColumns),
      maxErrors: parseNumber(parsed, "max-errors", [0, limits.importMaxErrors]),
      dryRun: flags.has("dry-run"),
    },
    isJson: format === "json",
    workbook: format === "xlsx" ? { sheet: options["sheet"] } : undefined,
    parallel: parseNumber(parsed, "parallel", [1, 64]) ?? 4,
    partBytes:
      parseNumber(parsed, "part-size", [1000, limits.importPartBytes]) ??
      choosePartBytes(isPacked ? estimateSize(fileSize) : size),
    compress: parseChoice(parsed, "compress", ["gzip"]),
    resume: options["resume"],
  };
}

/** Returns the name of a file before its compression. */
function getName(file: string): string {
  return file.replace(/\.(gz|zst)$/i, "");
}

function findFormat(file: string): (typeof formats)[number] {
  const name = getName(file);
  if (/\.xlsx$/i.test(name)) return "xlsx";
  if (/\.json$/i.test(name)) return "json";
  return /\.(ndjson|jsonl)$/i.test(name) ? "ndjson" : "csv";
}

const usualRatio = 8;
const largeBytes = 100_000_000;

/** Estimates the size of a compressed file; undefined for a large one, whose parts then have the maximum size. */
function estimateSize(bytes = 0): number | undefined {
  const size = bytes * usualRatio;
  return size > largeBytes ? undefined : size;
}

function requireOptionsOf({ options, flags }: ParsedArguments, format: string): void {
  const ofCsv = ["delimiter", "encoding", "columns"];
  const others: Readonly<Record<string, readonly string[]>> = {
    csv: ["sheet"],
    xlsx: [...ofCsv, "compress", "part-size"],
  };
  const ofObjects = [...ofCsv, "sheet", "header", "no-header"];
  const given = (others[format] ?? ofObjects).find(
    (name) => options[name] !== undefined || flags.has(name),
  );
  if (given !== undefined)
    throw new UsageError(`--${given} is not for files of the format ${format}`);
  if (flags.has("header") && flags.has("no-header")) {
    throw new UsageError("--header and --no-header exclude each other");
  }
}

/** Parses `TYPE`, whose data is then empty, or `TYPE:JSON`. */
function parseThen(text: string | undefined): NewImport["then"] {
  if (text === undefined) return undefined;
  const [, type = "", data = "{}"] = /^([^:]*):?(.*)$/s.exec(text) ?? [];
  try {
    return { type, data: JSON.parse(data || "{}") as Record<string, unknown> };
  } catch (error) {
    throw new UsageError(`--then: the data is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Returns the same size for the same file, so that its import can be resumed. The number of parts is limited. */
export function choosePartBytes(size: number | undefined): number {
  if (size === undefined) return limits.importPartBytes;
  // A part ends before the row that would exceed its size.
  const needed = Math.ceil(size / (limits.importParts * 0.95));
  if (needed > limits.importPartBytes) {
    throw new UsageError(
      `the file has ${size} bytes, and an import has at most ${limits.importParts} parts of ${limits.importPartBytes} bytes: split the file`,
    );
  }
  const { min, max } = usualPartBytes;
  return Math.max(needed, Math.min(max, Math.max(min, Math.ceil(size / usualParts))));
}

function readSize(file: string): number {
  try {
    const found = statSync(file);
    if (!found.isFile()) throw new Error("it is not a file");
    if (found.size === 0) throw new Error("it is empty");
    return found.size;
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

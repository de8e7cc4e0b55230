import { createRowMapping } from "@toril/contract/api/job-data/row-data";
import { escapePointer } from "@toril/contract/api/json/json";
import type { ImportedRow, JobType } from "@toril/contract/api/job-type";
import { type Problem, toProblem } from "@toril/contract/api/problem";
import type { FieldSource, RowOptions } from "@toril/contract/api/row-options";
import { createDateReader } from "./read-date.ts";

export type RowRequest =
  | { status: "ok"; request: unknown }
  | { status: "bad"; problem: Problem }
  /** The file lacks a column that the options name. */
  | { status: "missing-column"; column: string };

/** Returns the function that converts a row of a file to an enqueue request. */
export function createRowRequest(
  jobType: JobType,
  rowOptions: RowOptions = {},
): (row: ImportedRow) => RowRequest {
  const { mapping, key, unknownColumns, options } = rowOptions;
  const toData = createRowMapping(jobType, { ignoresUnknown: unknownColumns === "ignore" });
  const toKey = key === undefined ? undefined : createKeyTemplate(key);
  const map = mapping === undefined ? undefined : createMapping(mapping);
  const { type } = jobType;
  // A key policy without a key is refused.
  const { keyPolicy: _, ...optionsWithoutKey } = options ?? {};
  if (map === undefined && toKey === undefined && options === undefined) {
    return (row) => ({ status: "ok", request: { type, data: toData(row) } });
  }
  return (row) => {
    const { values } = row;
    const mapped = map?.(values) ?? { status: "ok" as const, values };
    if (mapped.status !== "ok") return mapped;
    const keyOfRow = toKey?.(values);
    if (keyOfRow !== undefined && keyOfRow.status !== "ok") return keyOfRow;
    // A mapped value need not be text: the schema of the job type reports a value that does not fit.
    const data = toData({ ...row, values: mapped.values as Record<string, string> });
    const { value: ownKey = "" } = keyOfRow ?? {};
    return {
      status: "ok",
      request:
        ownKey === ""
          ? { type, data, ...optionsWithoutKey }
          : { type, data, ...options, key: ownKey },
    };
  };
}

type Values = Readonly<Record<string, string>>;
type Missing = Extract<RowRequest, { status: "missing-column" }>;
type Bad = Extract<RowRequest, { status: "bad" }>;

function missing(column: string): Missing {
  return { status: "missing-column", column };
}

/** A template has columns in braces; other text is the name of a column. A row whose columns are all empty has no key. */
export function createKeyTemplate(
  template: string,
): (values: Values) => { status: "ok"; value: string } | Missing {
  if (!template.includes("{")) {
    return (values) => {
      const value = values[template];
      return value === undefined ? missing(template) : { status: "ok", value };
    };
  }
  return (values) => {
    let unknown: string | undefined;
    let isEmpty = true;
    const value = template.replaceAll(/\{([^{}]+)\}/g, (_, column: string) => {
      const text = values[column];
      if (text === undefined) unknown ??= column;
      isEmpty &&= (text ?? "") === "";
      return text ?? "";
    });
    if (unknown !== undefined) return missing(unknown);
    return { status: "ok", value: isEmpty ? "" : value };
  };
}

function createMapping(mapping: Record<string, FieldSource>) {
  const fields = Object.entries(mapping).map(
    ([name, source]) => [name, toReader(name, source)] as const,
  );
  return (values: Values): { status: "ok"; values: Record<string, unknown> } | Bad | Missing => {
    const mapped: Record<string, unknown> = {};
    for (const [name, read] of fields) {
      const field = read(values);
      if (field.status === "ok") mapped[name] = field.value;
      else if (field.status !== "absent") return field;
    }
    return { status: "ok", values: mapped };
  };
}

type ReadField = (
  values: Values,
) => { status: "ok"; value: unknown } | { status: "absent" } | Bad | Missing;

const numberText = /^\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*$/;
const booleans: Partial<Record<string, boolean>> = {
  true: true,
  yes: true,
  "1": true,
  false: false,
  no: false,
  "0": false,
};

function toReader(name: string, source: FieldSource): ReadField {
  if (typeof source === "string") return toReader(name, { column: source, empty: "absent" });
  if (!("column" in source)) return () => ({ status: "ok", value: source.value });
  const { column, type, format, empty } = source;
  const convert = createConversion(type, format);
  return (values) => {
    const text = values[column];
    if (text === undefined) return missing(column);
    if (text === "" && empty !== "text") {
      return empty === "null" ? { status: "ok", value: null } : { status: "absent" };
    }
    const value = convert(text);
    if (value !== undefined) return { status: "ok", value };
    const detail = `Column ${JSON.stringify(column)}: not a ${type}: ${JSON.stringify(text.slice(0, 100))}.`;
    const errors = [{ pointer: `/data/${escapePointer(name)}`, detail }];
    return { status: "bad", problem: toProblem("invalid-job", undefined, errors) };
  };
}

/** Returns the function that converts a cell; it returns undefined for text of another type. */
function createConversion(
  type: "string" | "number" | "boolean" | "date" | undefined,
  format: string | undefined,
): (text: string) => unknown {
  if (type === "number") return (text) => (numberText.test(text) ? Number(text) : undefined);
  if (type === "boolean") return (text) => booleans[text.trim().toLowerCase()];
  if (type === "date") return createDateReader(format);
  return (text) => text;
}

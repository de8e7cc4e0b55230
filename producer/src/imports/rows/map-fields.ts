import { escapePointer } from "@toril/contract/api/json/json";
import { type Problem, toProblem } from "@toril/contract/api/problem";
import type { FieldSource } from "@toril/contract/api/row-options";
import { createDateReader } from "./read-date.ts";

/** Cells of a row as text, or members of an object. */
export type RowValues = Readonly<Record<string, unknown>>;
export type Bad = { status: "bad"; problem: Problem };
/** The row lacks a column that the options name. */
export type Missing = { status: "missing-column"; column: string };

/** Returns no inherited members, such as `constructor`. */
export function getOwn<Value>(values: Readonly<Record<string, Value>>, name: string) {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

type ReadField = (
  values: RowValues,
) => { status: "ok"; value: unknown } | { status: "absent" } | Bad | Missing;

/**
 * Returns the function that takes the fields from the values of a row.
 * @param isSparse whether a row may lack columns; a missing one, and null, are then as an empty cell
 */
export function createMapping(mapping: Record<string, FieldSource>, isSparse: boolean) {
  const fields = Object.entries(mapping).map(
    ([name, source]) => [name, toReader(name, source, isSparse)] as const,
  );
  return (values: RowValues): { status: "ok"; values: Record<string, unknown> } | Bad | Missing => {
    const mapped: Record<string, unknown> = {};
    for (const [name, read] of fields) {
      const field = read(values);
      if (field.status === "ok") mapped[name] = field.value;
      else if (field.status !== "absent") return field;
    }
    return { status: "ok", values: mapped };
  };
}

const numberText = /^\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*$/;
const booleans: Partial<Record<string, boolean>> = {
  true: true,
  yes: true,
  "1": true,
  false: false,
  no: false,
  "0": false,
};

function toReader(name: string, source: FieldSource, isSparse: boolean): ReadField {
  if (typeof source === "string") {
    return toReader(name, { column: source, empty: "absent" }, isSparse);
  }
  if (!("column" in source)) return () => ({ status: "ok", value: source.value });
  const { column, type, format, empty } = source;
  const convert = createConversion(type, format);
  return (values) => {
    const cell = getOwn(values, column) ?? (isSparse ? "" : undefined);
    if (cell === undefined) return { status: "missing-column", column };
    if (cell === "" && empty !== "text") {
      return empty === "null" ? { status: "ok", value: null } : { status: "absent" };
    }
    const value = convert(cell);
    if (value !== undefined) return { status: "ok", value };
    const shown = JSON.stringify(cell).slice(0, 102);
    const detail = `Column ${JSON.stringify(column)}: not a ${type}: ${shown}.`;
    const errors = [{ pointer: `/data/${escapePointer(name)}`, detail }];
    return { status: "bad", problem: toProblem("invalid-job", undefined, errors) };
  };
}

/** Returns the function that converts a cell; it returns undefined for a value of another type. */
function createConversion(
  type: "string" | "number" | "boolean" | "date" | undefined,
  format: string | undefined,
): (cell: unknown) => unknown {
  if (type === undefined) return (cell) => cell;
  const convertText = createTextConversion(type, format);
  return (cell) => {
    if (typeof cell === type) return cell;
    const isPlain = ["string", "number", "boolean"].includes(typeof cell);
    return isPlain ? convertText(`${cell as string | number | boolean}`) : undefined;
  };
}

function createTextConversion(
  type: "string" | "number" | "boolean" | "date",
  format: string | undefined,
): (text: string) => unknown {
  if (type === "number") return (text) => (numberText.test(text) ? Number(text) : undefined);
  if (type === "boolean") return (text) => booleans[text.trim().toLowerCase()];
  if (type === "date") return createDateReader(format);
  return (text) => text;
}

import type { ImportDefinition } from "@toril/client";
import type { Schema, ServiceDocument } from "../../app/service-document.ts";

export const conversions = ["as the schema", "string", "number", "boolean", "date"] as const;
export type Conversion = (typeof conversions)[number];

/** The field that a column becomes, or none. */
export interface ColumnTarget {
  /** Field of the data; empty: the column is not used. */
  field: string;
  conversion: Conversion;
  /** Format of dates: `dd.MM.yyyy`. */
  format: string;
}

/** A field with the same value in all rows. */
export interface Constant {
  field: string;
  /** JSON, or a text. */
  value: string;
}

export interface Field {
  name: string;
  isRequired: boolean;
}

/** Returns the fields of a job type; undefined if its rows may have any fields, as those of `row.import`. */
export function getFields(document: ServiceDocument, type: string): Field[] | undefined {
  const { properties = {}, required = [] }: Schema = document.getDataSchema(type);
  const names = Object.keys(properties);
  const takesRows = ["importId", "row", "values"].every((name) => names.includes(name));
  if (takesRows || names.length === 0) return undefined;
  return names.map((name) => ({ name, isRequired: required.includes(name) }));
}

/** Suggests the field of each column: that of the same name, whatever its case and separators. */
export function suggestTargets(
  columns: readonly string[],
  fields: readonly Field[] | undefined,
): ColumnTarget[] {
  const plain = (name: string) => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
  return columns.map((column) => {
    const found =
      fields === undefined
        ? column
        : (fields.find(({ name }) => name === column) ??
          fields.find(({ name }) => plain(name) === plain(column)));
    const field = typeof found === "string" ? found : (found?.name ?? "");
    return { field, conversion: "as the schema", format: "yyyy-MM-dd" };
  });
}

/** Returns the mapping of an import; undefined if each column is the field of its name. */
export function toMapping(
  columns: readonly string[],
  targets: readonly ColumnTarget[],
  constants: readonly Constant[],
): ImportDefinition["mapping"] {
  const isPlain = columns.every((column, index) => {
    const target = targets[index];
    return target?.field === column && target.conversion === "as the schema";
  });
  const named = constants.filter(({ field }) => field !== "");
  if (isPlain && named.length === 0) return undefined;
  const sources = columns.flatMap((column, index): [string, string | object][] => {
    const { field = "", conversion, format } = targets[index] ?? {};
    if (field === "") return [];
    if (conversion === undefined || conversion === "as the schema") return [[field, column]];
    return [[field, { column, type: conversion, ...(conversion === "date" && { format }) }]];
  });
  return Object.fromEntries([
    ...sources,
    ...named.map(({ field, value }) => [field, { value: readValue(value) }] as const),
  ]) as ImportDefinition["mapping"];
}

/** Finds what the service would refuse for every row. */
export function findMappingProblem(
  fields: readonly Field[] | undefined,
  targets: readonly ColumnTarget[],
  constants: readonly Constant[],
): string | undefined {
  const used = [...targets, ...constants].map(({ field }) => field).filter((name) => name !== "");
  const seen = new Set<string>();
  const repeated = used.find((name) => seen.size === seen.add(name).size);
  if (repeated !== undefined) return `The field ${repeated} has two sources.`;
  if (used.length === 0) return "No column is used.";
  const missing = (fields ?? []).filter((one) => one.isRequired && !seen.has(one.name));
  if (missing.length === 0) return undefined;
  const names = missing.map(({ name }) => name).join(", ");
  return `Required: ${names}. Choose a column, or add a constant.`;
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

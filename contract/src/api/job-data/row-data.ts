import { z } from "zod";
import type { ImportedRow, JobType } from "../job-type.ts";

type FieldType = "string" | "number" | "boolean" | "other";
type JsonSchema = z.core.JSONSchema._JSONSchema;
type Fields = Map<string, { type: FieldType; isOptional: boolean }>;

const numberText = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * Returns the function that converts a row of an imported file to data: the `fromRow` of the job type, or else a
 * mapping of columns to schema fields. With `ignoresUnknown`, columns that are no fields are left out; with
 * `keepsTypes`, values are not parsed. A value that does not fit stays a string, so that schema validation reports the
 * error.
 */
export function createRowMapping(
  jobType: JobType,
  {
    ignoresUnknown = false,
    keepsTypes = false,
  }: { ignoresUnknown?: boolean; keepsTypes?: boolean } = {},
): (row: ImportedRow) => unknown {
  if (jobType.fromRow !== undefined) return (row) => jobType.fromRow?.(row);
  const fields = getFields(jobType.data);
  const isUsed = (name: string) => !ignoresUnknown || fields.has(name);
  if (keepsTypes) {
    return ({ values }) =>
      ignoresUnknown
        ? Object.fromEntries(Object.entries(values).filter(([name]) => isUsed(name)))
        : values;
  }
  return ({ values }) =>
    Object.fromEntries(
      Object.entries(values)
        .filter(([name, text]) => isUsed(name) && (text !== "" || !isLeftOut(fields, name)))
        .map(([name, text]) => [name, read(text, fields.get(name)?.type)]),
    );
}

function isLeftOut(fields: Fields, name: string): boolean {
  const field = fields.get(name);
  return field !== undefined && field.isOptional && field.type !== "string";
}

function read(text: unknown, type: FieldType | undefined): unknown {
  // A mapped value may have its type already.
  if (typeof text !== "string") return text;
  if (type === "number" && numberText.test(text)) return Number(text);
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}

function getFields(schema: z.ZodType): Fields {
  const document = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  const { properties = {}, required = [] } = resolve(document, document);
  return new Map(
    Object.entries(properties).map(([name, property]) => [
      name,
      { type: fieldType(resolve(property, document)), isOptional: !required.includes(name) },
    ]),
  );
}

/** Resolves the reference to a schema that has an ID. */
function resolve(schema: JsonSchema, document: z.core.JSONSchema.BaseSchema) {
  if (typeof schema === "boolean") return {};
  return document.$defs?.[schema.$ref?.replace("#/$defs/", "") ?? ""] ?? schema;
}

function fieldType({ type }: z.core.JSONSchema.BaseSchema): FieldType {
  if (type === "integer") return "number";
  return type === "string" || type === "number" || type === "boolean" ? type : "other";
}

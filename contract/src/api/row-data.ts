import { z } from "zod";
import type { ImportedRow, JobType } from "./job-type.ts";

type FieldType = "string" | "number" | "boolean" | "other";
type JsonSchema = z.core.JSONSchema._JSONSchema;
type Fields = Map<string, { type: FieldType; isOptional: boolean }>;

const numberText = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * How rows of an imported file become data of a job type: its own `fromRow`, else column by column after its schema.
 * What does not fit stays text, so that the schema says what is wrong with it.
 */
export function createRowMapping(jobType: JobType): (row: ImportedRow) => unknown {
  if (jobType.fromRow !== undefined) return (row) => jobType.fromRow?.(row);
  const fields = fieldsOf(jobType.data);
  return ({ values }) =>
    Object.fromEntries(
      Object.entries(values)
        .filter(([name, text]) => text !== "" || !isLeftOut(fields, name))
        .map(([name, text]) => [name, read(text, fields.get(name)?.type)]),
    );
}

function isLeftOut(fields: Fields, name: string): boolean {
  const field = fields.get(name);
  return field !== undefined && field.isOptional && field.type !== "string";
}

function read(text: string, type: FieldType | undefined): unknown {
  if (type === "number" && numberText.test(text)) return Number(text);
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}

function fieldsOf(schema: z.ZodType): Fields {
  const document = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  const { properties = {}, required = [] } = resolve(document, document);
  return new Map(
    Object.entries(properties).map(([name, property]) => [
      name,
      { type: fieldType(resolve(property, document)), isOptional: !required.includes(name) },
    ]),
  );
}

/** A schema with an id stands among the definitions, and a reference in its place. */
function resolve(schema: JsonSchema, document: z.core.JSONSchema.BaseSchema) {
  if (typeof schema === "boolean") return {};
  return document.$defs?.[schema.$ref?.replace("#/$defs/", "") ?? ""] ?? schema;
}

function fieldType({ type }: z.core.JSONSchema.BaseSchema): FieldType {
  if (type === "integer") return "number";
  return type === "string" || type === "number" || type === "boolean" ? type : "other";
}

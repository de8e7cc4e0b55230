import { z } from "zod";
import type { ImportedRow, JobType } from "./job-type.ts";

type FieldType = "string" | "number" | "boolean" | "other";
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
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: "input" });
  return new Map(
    Object.entries(properties).map(([name, property]) => [
      name,
      { type: fieldType(property), isOptional: !required.includes(name) },
    ]),
  );
}

function fieldType(property: z.core.JSONSchema._JSONSchema): FieldType {
  if (typeof property === "boolean") return "other";
  if (property.type === "integer") return "number";
  if (property.type === "string" || property.type === "number" || property.type === "boolean") {
    return property.type;
  }
  return "other";
}

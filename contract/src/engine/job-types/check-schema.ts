import { Ajv2020 } from "ajv/dist/2020.js";
import { jobTypeLimits } from "../../api/job-type-registration.ts";
import { escapePointer, type FieldError } from "../../api/json/json.ts";
import type { JsonSchema } from "./references.ts";
import {
  annotations,
  formats,
  listKeywords,
  mapKeywords,
  plainKeywords,
  schemaKeywords,
} from "./keywords.ts";
import { compilePattern } from "./linear-pattern.ts";
import { isDefinitionReference } from "./pointer.ts";
import { findExcess } from "./schema-size.ts";

const dialect = "https://json-schema.org/draft/2020-12/schema";

type ValidateSchema = Ajv2020["validateSchema"];
let metaSchema: { validate: ValidateSchema; ajv: Ajv2020 } | undefined;

/** Created on demand: compiling the meta-schema takes tens of milliseconds. */
function getMetaSchema() {
  if (metaSchema !== undefined) return metaSchema;
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    validateFormats: false,
    logger: false,
  });
  return (metaSchema = { ajv, validate: (schema) => ajv.validateSchema(schema) });
}

/**
 * Checks a JSON Schema of a client: valid, bounded, without remote or endless references, and without patterns or
 * comparisons that may take superlinear time.
 * @param base pointer of the schema
 */
export function checkSchema(schema: JsonSchema, base: string): FieldError[] {
  const bytes = new TextEncoder().encode(JSON.stringify(schema)).length;
  if (bytes > jobTypeLimits.schemaBytes) {
    return [{ pointer: base, detail: `At most ${jobTypeLimits.schemaBytes} bytes.` }];
  }
  const { $schema } = schema;
  if ($schema !== undefined && $schema !== dialect) {
    return [{ pointer: `${base}/$schema`, detail: `Only ${dialect} is supported.` }];
  }
  const walk = createWalk(base);
  walk.visit(schema, "", 0);
  const invalid = walk.errors.length > 0 ? walk.errors : findMetaErrors(schema, base);
  return invalid.length > 0 ? invalid : findExcess(schema, base);
}

function findMetaErrors(schema: JsonSchema, base: string): FieldError[] {
  const { ajv, validate } = getMetaSchema();
  if (validate(schema) === true) return [];
  return (ajv.errors ?? []).map(({ instancePath, message = "is invalid" }) => ({
    pointer: base + instancePath,
    detail: `Not a valid JSON Schema: ${message}.`,
  }));
}

function createWalk(base: string) {
  const errors: FieldError[] = [];
  let patterns = 0;

  function refuse(pointer: string, detail: string) {
    errors.push({ pointer: base + pointer, detail });
  }

  function checkPattern(pattern: unknown, pointer: string) {
    patterns += 1;
    if (patterns > jobTypeLimits.patterns) {
      return refuse(pointer, `At most ${jobTypeLimits.patterns} patterns in a schema.`);
    }
    if (typeof pattern !== "string") return refuse(pointer, "Must be a string.");
    if (pattern.length > jobTypeLimits.patternLength) {
      return refuse(pointer, `At most ${jobTypeLimits.patternLength} characters.`);
    }
    try {
      if (compilePattern(pattern).size > jobTypeLimits.patternSize) {
        refuse(pointer, "The pattern is too complex: its repetitions are too large.");
      }
    } catch {
      refuse(
        pointer,
        "Not a valid pattern: it must match in linear time, so neither look-around nor back-references are supported (RE2).",
      );
    }
  }

  function visit(schema: unknown, pointer: string, depth: number) {
    if (typeof schema === "boolean" && depth > 0) return;
    if (!isObject(schema)) return refuse(pointer, "Must be a schema: an object or a boolean.");
    if (depth > jobTypeLimits.schemaDepth) {
      return refuse(pointer, `At most ${jobTypeLimits.schemaDepth} nested schemas.`);
    }
    for (const [keyword, value] of Object.entries(schema)) {
      const at = `${pointer}/${escapePointer(keyword)}`;
      if (schemaKeywords.has(keyword)) visit(value, at, depth + 1);
      else if (listKeywords.has(keyword)) {
        if (!Array.isArray(value)) refuse(at, "Must be a list of schemas.");
        else value.forEach((one, index) => visit(one, `${at}/${index}`, depth + 1));
      } else if (mapKeywords.has(keyword) || (keyword === "$defs" && depth === 0)) {
        if (!isObject(value)) refuse(at, "Must be an object of schemas.");
        else {
          for (const [name, one] of Object.entries(value)) {
            const below = `${at}/${escapePointer(name)}`;
            if (keyword === "patternProperties") checkPattern(name, below);
            visit(one, below, depth + 1);
          }
        }
      } else if (keyword === "$defs") refuse(at, "Only at the root of the schema.");
      else if (keyword === "$ref") checkReference(value, at);
      else if (keyword === "pattern") checkPattern(value, at);
      else if (keyword === "format") {
        if (!formats.some((format) => format === value)) {
          refuse(at, `Must be one of ${formats.join(", ")}.`);
        }
      } else if (keyword === "uniqueItems" && value === true) {
        const { maxItems } = schema;
        if (typeof maxItems !== "number" || maxItems > jobTypeLimits.uniqueItems) {
          refuse(at, `Requires \`maxItems\` of at most ${jobTypeLimits.uniqueItems}.`);
        }
      } else if (keyword === "$schema" && depth > 0) refuse(at, "Only at the root of the schema.");
      else if (!plainKeywords.has(keyword) && !annotations.has(keyword)) {
        refuse(at, "Unknown or unsupported keyword.");
      }
    }
  }

  function checkReference(value: unknown, pointer: string) {
    if (typeof value !== "string" || !isDefinitionReference(value)) {
      refuse(pointer, "Must be # or #/$defs/<name>: other schemas cannot be referenced.");
    }
  }

  return { errors, visit };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { z } from "zod";
import { expandSchema } from "./expand-schema.ts";
import type { JsonSchema } from "./references.ts";
import { formats } from "./keywords.ts";
import { parsePointer } from "./pointer.ts";
import { countVisit, resetVisits, TooManyVisits, visitKeyword, withVisits } from "./visits.ts";
import { compilePattern, PatternBudgetExceeded, resetPatternBudget } from "./linear-pattern.ts";

/** Issues per value: a body can have ten thousand unknown fields. */
const maxIssues = 100;

interface Issue {
  path: string[];
  message: string;
}

/**
 * Returns a zod type that validates with a JSON Schema, and documents itself with it. The value is never changed.
 * @param id name of the schema in the OpenAPI document
 */
export function validatedBySchema(schema: JsonSchema, id?: string): z.ZodType {
  // Compiled on demand, because most of a tenant's types are idle in most processes.
  let validate: ValidateFunction | undefined;
  return z
    .unknown()
    .superRefine((value, context) => {
      for (const { path, message } of findIssues((validate ??= compile(schema)), value)) {
        context.addIssue({ code: "custom", path, message });
      }
    })
    .meta({ ...expandSchema(schema), ...(id !== undefined && { id }) });
}

function compile(schema: JsonSchema): ValidateFunction {
  // An instance of its own: a shared one would keep every schema that was ever registered.
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    validateSchema: false,
    meta: false,
    logger: false,
    code: { regExp: Object.assign(compilePattern, { code: "compilePattern" }) },
  });
  const addFormats = "default" in ajvFormats ? ajvFormats.default : ajvFormats;
  addFormats(ajv, { mode: "fast", formats: [...formats], keywords: false });
  ajv.addKeyword({ keyword: visitKeyword, validate: countVisit, errors: false });
  return ajv.compile(withVisits(schema));
}

function findIssues(validate: ValidateFunction, value: unknown): Issue[] {
  if (value === undefined) return [{ path: [], message: "Required." }];
  resetPatternBudget();
  resetVisits();
  try {
    return validate(value) ? [] : (validate.errors ?? []).slice(0, maxIssues).map(toIssue);
  } catch (error) {
    if (error instanceof PatternBudgetExceeded) {
      return [{ path: [], message: "Too much text for the patterns of the schema." }];
    }
    if (error instanceof TooManyVisits) {
      return [{ path: [], message: "Too many values for the recursive schema." }];
    }
    throw error;
  }
}

function toIssue({ instancePath, keyword, params, message = "is invalid" }: ErrorObject): Issue {
  const path = parsePointer(instancePath);
  const { missingProperty, additionalProperty, unevaluatedProperty, allowedValues } = params;
  if (keyword === "required" || keyword === "dependentRequired") {
    return { path: [...path, String(missingProperty)], message: "Required." };
  }
  const unknown: unknown = additionalProperty ?? unevaluatedProperty;
  if (typeof unknown === "string") return { path: [...path, unknown], message: "Unknown field." };
  const options = keyword === "enum" ? `: ${JSON.stringify(allowedValues).slice(0, 500)}` : "";
  return { path, message: `${message.charAt(0).toUpperCase()}${message.slice(1)}${options}.` };
}

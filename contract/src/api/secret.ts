import type { z } from "zod";

/**
 * Marks a field of a job type's data as secret: encrypted before it reaches a store, decrypted for the handler alone,
 * and never told again. It may stand anywhere in the data, and hold any JSON value.
 */
export function secret<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ ...schema.meta(), writeOnly: true });
}

/** OpenAPI's word for it is the mark. */
export function isSecret(schema: z.ZodType): boolean {
  return schema.meta()?.["writeOnly"] === true;
}

/** What is shown in place of a secret. */
export const secretShown = "[secret]";

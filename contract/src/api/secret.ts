import type { z } from "zod";

/**
 * Marks a field of the data of a job type as secret: it is encrypted before it is stored, decrypted only for the handler,
 * and never returned by the API. The field may be anywhere in the data and have any JSON value.
 */
export function secret<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ ...schema.meta(), writeOnly: true });
}

/** Returns whether a schema is marked as secret, by OpenAPI's `writeOnly`. */
export function isSecret(schema: z.ZodType): boolean {
  return schema.meta()?.["writeOnly"] === true;
}

/** The placeholder of a secret in responses. */
export const secretShown = "[secret]";

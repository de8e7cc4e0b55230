import { z } from "zod";
import { NewTypeName } from "../../job-type-registration.ts";

export const IdempotencyKey = z.string().min(1).max(255).optional().meta({
  // No example: /docs would send it with every request.
  description:
    "Unique key of the request, for example `7f6c2b1e-order-1042`. A repeated request with the same key and body gets the original response",
});

export const TraceParent = z
  .string()
  .optional()
  .meta({ description: "W3C Trace Context; a valid value is propagated to the job" });

export const Prefer = z.string().optional().meta({
  description:
    "`wait=N`: wait up to N seconds (at most 60) for the job to finish before responding (RFC 7240)",
  example: "wait=20",
});

/** The parameters of a path with one parameter, for example `/v1/schedules/{name}`. */
export function pathParameter<Name extends string>(
  name: Name,
  schema: z.ZodType<string, string>,
  description: string,
) {
  const parameter = schema.meta({
    ...schema.meta(),
    param: { name, in: "path" },
    description,
  });
  return z.object({ [name]: parameter } as Record<Name, z.ZodType<string, string>>);
}

export function idParameter(resource: string, schema: z.ZodType<string, string> = uuid) {
  return pathParameter("id", schema, `ID of the ${resource}`);
}

const uuid = z.uuid().meta({ example: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304" });

/** The name of a job type that is registered over HTTP. */
export const typeParameter = pathParameter("type", NewTypeName, "Name of the job type");

/** The Content-Encoding header of a body that may be compressed. */
export function contentEncoding(description: string) {
  return z
    .string()
    .max(100)
    .optional()
    .meta({ description: `${description}: \`gzip\` or \`zstd\``, example: "gzip" });
}

/** A query parameter with the values `true` and `false`, documented as a boolean. */
export function queryBoolean(description: string) {
  return z
    .enum(["true", "false"])
    .optional()
    .meta({ type: "boolean", description, example: false });
}

/** A parameter that is JSON, within the length of an address that proxies accept. */
export function jsonParameter(description: string, example: unknown) {
  return z
    .string()
    .max(8000)
    .optional()
    .meta({
      description: `JSON: ${description}`,
      ...(example === undefined ? {} : { example: JSON.stringify(example) }),
    });
}

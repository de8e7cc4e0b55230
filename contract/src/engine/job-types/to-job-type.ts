import type { FindSecretFields } from "../../api/job-data/secret-fields.ts";
import { defineJob, type JobType } from "../../api/job-type.ts";
import { type JobTypeRegistration, keyFieldPattern } from "../../api/job-type-registration.ts";
import { parsePointer, readPointer } from "./pointer.ts";
import { validatedBySchema } from "./validated-by-schema.ts";

/** A registration with the queue that it uses. */
export type StoredRegistration = Omit<JobTypeRegistration, "queue"> & { queue: string };

/** Makes a job type of a registration, with the same behaviour as one that is defined in code. */
export function toJobType(type: string, registration: StoredRegistration): JobType {
  const { data, result = {}, queue, worker, attempts, backoff, keyPolicy } = registration;
  const { key, priority, timeoutMs, expiresInMs, rateLimit, searchable, secret } = registration;
  const definition = defineJob({
    type,
    queue,
    data: validatedBySchema(data, `JobData.${type}`),
    result: validatedBySchema(result),
    ...(attempts !== undefined && { attempts }),
    ...(backoff !== undefined && { backoff }),
    ...(key !== undefined && { key: createDeriveKey(key) }),
    ...(keyPolicy !== undefined && { keyPolicy }),
    ...(priority !== undefined && { priority }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(expiresInMs !== undefined && { expiresInMs }),
    ...(rateLimit !== undefined && { rateLimit: toRateLimit(rateLimit) }),
    ...(searchable !== undefined && { searchable: searchable.map(toFieldName) }),
  });
  return {
    ...definition,
    worker,
    isRegistered: true,
    ...(secret !== undefined && secret.length > 0 && { findSecrets: createFindSecrets(secret) }),
  };
}

/** Returns the name under which a field is searched: `customer.id` for `/customer/id`. */
function toFieldName(pointer: string): string {
  return parsePointer(pointer).join(".");
}

function toRateLimit({ key, max, durationMs }: NonNullable<JobTypeRegistration["rateLimit"]>) {
  const path = parsePointer(key);
  return {
    max,
    durationMs,
    by(data: unknown) {
      const value = readPointer(data, path);
      return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
    },
  };
}

function createFindSecrets(pointers: readonly string[]): FindSecretFields {
  const paths = pointers.map((pointer) => ({ pointer, path: parsePointer(pointer) }));
  return (data) =>
    paths.flatMap(({ pointer, path }) => {
      const holder = readPointer(data, path.slice(0, -1));
      const name = path.at(-1) ?? "";
      const value = readPointer(holder, [name]);
      return value === undefined || value === null
        ? []
        : [{ holder: holder as Record<string, unknown>, name, pointer }];
    });
}

/**
 * Creates the function that derives the key of a job from its data.
 * @param definition a JSON Pointer, or a text with JSON Pointers in braces: `{/source}#{/guid}`
 * @returns a function that returns undefined if the data has no text, number or boolean at a pointer
 */
function createDeriveKey(definition: string): (data: unknown) => string | undefined {
  const template = definition.startsWith("/") ? `{${definition}}` : definition;
  // The texts between the pointers, and the pointers themselves, in turn.
  const parts = template.split(keyFieldPattern).map((text, index) => ({
    text,
    path: index % 2 === 1 ? parsePointer(text) : undefined,
  }));
  return (data) => {
    let key = "";
    for (const { text, path } of parts) {
      const value = path === undefined ? text : readPointer(data, path);
      if (typeof value === "string") key += value;
      else if (typeof value === "number" || typeof value === "boolean") key += String(value);
      else return undefined;
    }
    return key;
  };
}

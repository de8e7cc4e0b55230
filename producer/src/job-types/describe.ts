import type { JobType } from "@toril/contract/api/job-type";
import type { JobTypeDescription } from "@toril/contract/api/job-type-registration";
import type { JobTypeRow } from "@toril/contract/engine/job-types/job-type-ledger";
import { toJobType } from "@toril/contract/engine/job-types/to-job-type";
import { z } from "zod";

/** Describes a registered job type. */
export function describeRegistered({
  type,
  definition,
  version,
  createdAt,
  updatedAt,
}: JobTypeRow): JobTypeDescription {
  const { description = null, data, result = null, rateLimit = null } = definition;
  const { key = null, searchable = [], secret = [], push = null } = definition;
  return {
    ...describeOptions(toJobType(type, definition)),
    source: "api",
    key,
    push,
    description,
    data,
    result,
    rateLimit,
    searchable,
    secret,
    version,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

/** Describes a job type that is defined in code. */
export function describeCode(jobType: JobType): JobTypeDescription {
  const { data, result, rateLimit, searchable = [] } = jobType;
  return {
    ...describeOptions(jobType),
    source: "code",
    key: null,
    push: null,
    description: null,
    data: toSchema(data, "input"),
    result: toSchema(result, "output"),
    rateLimit: rateLimit
      ? { key: null, max: rateLimit.max, durationMs: rateLimit.durationMs }
      : null,
    searchable: searchable.map((field) => `/${field}`),
    secret: null,
    version: 0,
    createdAt: null,
    updatedAt: null,
  };
}

function describeOptions({ type, queue, worker, options, expiresInMs, keyPolicy }: JobType) {
  const { attempts, backoff, priority = null, timeoutMs = null } = options;
  return {
    type,
    queue,
    worker,
    attempts,
    backoff,
    priority,
    timeoutMs,
    expiresInMs: expiresInMs ?? null,
    keyPolicy: keyPolicy ?? null,
  };
}

function toSchema(schema: z.ZodType, io: "input" | "output"): Record<string, unknown> {
  const document = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  const { $schema: _, $ref, $defs = {}, ...own } = document;
  const name = $ref?.replace("#/$defs/", "");
  const root = name === undefined ? own : { ...$defs[name] };
  const text = JSON.stringify([root, $defs]);
  const used = Object.entries($defs).filter(([id]) => text.includes(`"#/$defs/${id}"`));
  return used.length === 0 ? root : { ...root, $defs: Object.fromEntries(used) };
}

import { z } from "zod";
import { Backoff, JobOptions, KeyPolicy } from "./jobs/job-options.ts";
import { workerKinds } from "./job-type.ts";
import { plainText } from "./json/plain-text.ts";
import { limits } from "./limits.ts";
import { PushSettings } from "./push-endpoint.ts";

/** Limits of job types that are registered over HTTP. */
export const jobTypeLimits = {
  nameLength: 100,
  /** Size of one schema as JSON text. */
  schemaBytes: 64_000,
  /** Nested schemas, with every `$ref` replaced by its target. */
  schemaDepth: 32,
  /** Number of schemas within a schema, with every `$ref` replaced by its target. */
  subschemas: 2000,
  /** How often recursive definitions may be applied to one value. */
  recursiveVisits: 20_000,
  patterns: 50,
  patternLength: 500,
  /** Instructions of one compiled pattern: bounds the time per character. */
  patternSize: 1000,
  /** Required `maxItems` of an array whose items must be unique, because items are compared pairwise. */
  uniqueItems: 1000,
  fields: 20,
} as const;

const name = z
  .string()
  .max(jobTypeLimits.nameLength)
  .regex(/^[A-Za-z0-9][\w.-]*$/, "Letters, digits, dots, dashes and underscores.");

export const NewTypeName = name.meta({ example: "mail.send" });

/** Who may process the jobs of a registered type. */
const RegisteredWorker = z.enum(workerKinds.filter((kind) => kind !== "handler")).meta({
  description:
    "Kind of the workers that process the jobs. pull: workers that take jobs over HTTP. push: an HTTP endpoint. bullmq: stock BullMQ workers",
});

/** A JSON Pointer to a field, not to the data as a whole. */
const Field = z
  .string()
  .max(200)
  .regex(/^(\/([^~/]|~[01])+)+$/, "A JSON Pointer to a field, for example /customer/email.");
/** A JSON Pointer in braces, within a text. */
export const keyFieldPattern = /\{((?:\/(?:[^{}~/]|~[01])+)+)\}/;

function isKeyDefinition(text: string): boolean {
  if (text.startsWith("/")) return Field.safeParse(text).success && !/[{}]/.test(text);
  const parts = text.split(keyFieldPattern);
  // The texts between the pointers, and the pointers themselves, in turn.
  return parts.length > 1 && parts.every((part, index) => index % 2 === 1 || !/[{}]/.test(part));
}

const DerivedKey = z
  .string()
  .max(limits.keyLength)
  .regex(plainText, "No control characters.")
  .refine(isKeyDefinition, "A JSON Pointer, or a text with JSON Pointers in braces.")
  .meta({
    description:
      "Default key of a job: a JSON Pointer to a field of the data, or a text with JSON Pointers in braces, as in " +
      "`{/source}#{/guid}`. A job without a text, number or boolean at a pointer has no key",
    example: "/orderId",
  });

const fields = z
  .array(Field)
  .max(jobTypeLimits.fields)
  .refine((all) => new Set(all).size === all.length, "Duplicate items are not allowed.")
  .optional();

const Schema = z.record(z.string(), z.unknown());
const JsonSchema = Schema.meta({ id: "JsonSchema", description: "JSON Schema (2020-12)" });

/** The request body that registers a job type. */
export const JobTypeRegistration = z
  .strictObject({
    description: z.string().max(limits.descriptionLength).regex(plainText).optional(),
    data: Schema.meta({
      description:
        "JSON Schema (2020-12) of the data of a job. `$ref` only to `#` and `#/$defs/...`; patterns in the syntax of RE2, without look-around and back-references",
      example: {
        type: "object",
        properties: { to: { type: "string", format: "email" } },
        required: ["to"],
        additionalProperties: false,
      },
    }),
    result: Schema.optional().meta({
      description: "JSON Schema (2020-12) of the result; default: any JSON",
    }),
    worker: RegisteredWorker.default("pull"),
    // The endpoint of a type with the worker `push`.
    push: PushSettings.optional(),
    queue: name.optional().meta({
      description:
        "Queue of the jobs; by default named like the type, for other tenants than `default` after the tenant's name and a dot. A queue has one kind of worker and " +
        "belongs to one tenant; queues of job types that are defined in code cannot be used",
      example: "mail",
    }),
    attempts: JobOptions.shape.attempts.optional(),
    backoff: Backoff.optional(),
    priority: JobOptions.shape.priority,
    timeoutMs: JobOptions.shape.timeoutMs,
    expiresInMs: z.int().min(1).max(limits.delayMs).optional().meta({
      description:
        "Time after acceptance, or after the due time, when a job that was not started expires",
    }),
    key: DerivedKey.optional(),
    keyPolicy: KeyPolicy.optional(),
    rateLimit: z
      .strictObject({
        key: Field.meta({ description: "JSON Pointer to the value that is limited" }),
        max: z.int().min(1).max(1_000_000),
        durationMs: z.int().min(1).max(limits.backoffMs),
      })
      .meta({
        id: "JobTypeRateLimit",
        description:
          "Token bucket per value of `key`: `max` jobs may start at once, and `max` per `durationMs` on average",
      })
      .optional(),
    searchable: fields.meta({
      description:
        "JSON Pointers to searchable strings, numbers or booleans: search `/customer/id` with `?data.customer.id=42`",
    }),
    secret: fields.meta({
      description:
        "JSON Pointers to secrets, which are stored encrypted and never returned by the API",
    }),
  })
  .meta({
    id: "JobTypeRegistration",
    example: {
      data: {
        type: "object",
        properties: { to: { type: "string", format: "email" } },
        required: ["to"],
        additionalProperties: false,
      },
      worker: "pull",
      queue: "mail",
      attempts: 5,
    },
  });
export type JobTypeRegistration = z.output<typeof JobTypeRegistration>;

const Time = z.iso.datetime().meta({ example: "2027-01-01T00:00:00.000Z" });
const { shape } = JobTypeRegistration;

/** A job type as the API returns it. */
export const JobTypeDescription = z
  .strictObject({
    type: z.string(),
    source: z.enum(["code", "api"]).meta({
      description:
        "code: defined in the code of the service, for all tenants. api: registered over HTTP",
    }),
    description: z.string().nullable(),
    queue: z.string(),
    worker: z.enum(workerKinds),
    push: z.union([PushSettings, z.null()]),
    data: JsonSchema,
    result: z.union([JsonSchema, z.null()]),
    attempts: JobOptions.shape.attempts,
    backoff: Backoff,
    priority: shape.priority.unwrap().nullable(),
    timeoutMs: shape.timeoutMs.unwrap().nullable(),
    expiresInMs: z.int().nullable(),
    key: z.string().nullable().meta({
      description: "Template of the default key; null: no default, or derived by code",
      example: "/orderId",
    }),
    keyPolicy: z.union([KeyPolicy, z.null()]),
    rateLimit: z.union([
      z
        .strictObject({
          key: z.string().nullable().meta({ description: "Null: computed by code" }),
          max: z.int(),
          durationMs: z.int(),
        })
        .meta({ id: "DescribedRateLimit" }),
      z.null(),
    ]),
    searchable: z.array(z.string()).meta({ description: "JSON Pointers" }),
    secret: z.array(z.string()).nullable().meta({
      description:
        "JSON Pointers; null for a type defined in code, whose schema marks secrets as `writeOnly`",
    }),
    version: z.int().meta({
      description:
        'Incremented by every change; use it in `If-Match: "<version>"`. 0 for a type defined in code',
    }),
    createdAt: Time.nullable(),
    updatedAt: Time.nullable(),
    signingSecret: z.string().optional().meta({
      description:
        "Secret that signs the requests to the push endpoint (Standard Webhooks); returned only by the request that creates the endpoint",
      example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    }),
  })
  .meta({
    id: "JobTypeDescription",
    example: {
      type: "mail.send",
      source: "api",
      description: null,
      queue: "mail",
      worker: "pull",
      push: null,
      data: {
        type: "object",
        properties: { to: { type: "string", format: "email" } },
        required: ["to"],
        additionalProperties: false,
      },
      result: null,
      attempts: 5,
      backoff: { type: "exponential", delay: 1000 },
      priority: null,
      timeoutMs: null,
      expiresInMs: null,
      key: null,
      keyPolicy: null,
      rateLimit: null,
      searchable: [],
      secret: [],
      version: 1,
      createdAt: "2026-11-29T09:30:00.000Z",
      updatedAt: "2026-11-29T09:30:00.000Z",
    },
  });
export type JobTypeDescription = z.infer<typeof JobTypeDescription>;

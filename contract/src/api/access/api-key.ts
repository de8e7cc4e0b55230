import { z } from "zod";
import { plainText } from "../json/plain-text.ts";
import { Quotas, QuotasChange } from "./quota.ts";
import { Scope } from "./scope.ts";

export const keyLimits = {
  nameLength: 100,
  tenantLength: 63,
  graceMs: 7 * 24 * 60 * 60 * 1000,
} as const;

/** The default tenant. Only its keys may use `queues:admin` on the queues, which all tenants share. */
export const defaultTenant = "default";

export const KeyId = z
  .string()
  .regex(/^[0-9a-z]{17}$/, "Not an API key ID.")
  .meta({ example: "0mibwkq0705f60718" });

export const Tenant = z
  .string()
  .max(keyLimits.tenantLength)
  .regex(/^[A-Za-z0-9][\w.-]*$/, "Letters, digits, dots, dashes and underscores.");

const Time = z.iso.datetime().meta({ example: "2027-01-01T00:00:00.000Z" });
const Name = z
  .string()
  .trim()
  .min(1)
  .max(keyLimits.nameLength)
  .regex(plainText, "No control characters.")
  .meta({ description: "Display name: owner or purpose of the key", example: "shop" });

const Scopes = distinct(Scope).meta({ example: ["jobs:write", "jobs:read"] });

/** Whether a key with `keys:admin`, which can create unrestricted keys, is restricted. */
export function hasAdminRestrictions(key: {
  scopes: readonly Scope[];
  queues: readonly string[] | null;
  types: readonly string[] | null;
  quotas: Quotas | null;
}): boolean {
  return key.scopes.includes("keys:admin") && (key.queues ?? key.types ?? key.quotas) !== null;
}

/** Creates the schema of the request body that creates an API key. */
export function createNewApiKeySchema(
  JobTypeName: z.ZodType<string>,
  QueueName: z.ZodType<string>,
) {
  return z
    .strictObject({
      name: Name,
      scopes: Scopes,
      queues: distinct(QueueName)
        .nullable()
        .default(null)
        .meta({ description: "Queues that the key may access; null: all" }),
      types: distinct(JobTypeName)
        .nullable()
        .default(null)
        .meta({ description: "Job types that the key may access; null: all" }),
      quotas: z
        .union([Quotas, z.null()])
        .default(null)
        .meta({ description: "Quotas of the key; null: unlimited" }),
      expiresAt: Time.nullable().default(null),
    })
    .refine((key) => !hasAdminRestrictions(key), {
      path: ["scopes"],
      error:
        "A key with keys:admin can create unrestricted keys, so it cannot be restricted by queues, types or quotas.",
    })
    .meta({ id: "NewApiKey" });
}
export type NewApiKey = z.output<ReturnType<typeof createNewApiKeySchema>>;

/** Creates the schema of the JSON merge patch that changes an API key. */
export function createApiKeyChangeSchema(
  JobTypeName: z.ZodType<string>,
  QueueName: z.ZodType<string>,
) {
  return z
    .strictObject({
      name: Name.optional(),
      scopes: Scopes.optional(),
      queues: distinct(QueueName).nullable().optional().meta({ description: "null: all queues" }),
      types: distinct(JobTypeName)
        .nullable()
        .optional()
        .meta({ description: "null: all job types" }),
      quotas: z
        .union([QuotasChange, z.null()])
        .optional()
        .meta({ description: "Merged with the quotas of the key; null: unlimited" }),
      expiresAt: Time.nullable().optional().meta({ description: "null: the key does not expire" }),
    })
    .refine((change) => Object.values(change).some((value) => value !== undefined), {
      error: "At least one field is required.",
    })
    .meta({
      id: "ApiKeyChange",
      minProperties: 1,
      example: { scopes: ["jobs:enqueue"], quotas: { rate: 50 } },
    });
}
export type ApiKeyChange = z.output<ReturnType<typeof createApiKeyChangeSchema>>;

const fields = {
  id: KeyId,
  tenant: z.string(),
  name: z.string(),
  scopes: z.array(Scope),
  queues: z.array(z.string()).nullable(),
  types: z.array(z.string()).nullable(),
  quotas: z.union([Quotas, z.null()]),
  createdAt: Time,
  expiresAt: Time.nullable(),
  lastUsedAt: Time.nullable().meta({
    description: "Time of the last use, accurate to about a minute",
  }),
  rotatedAt: Time.nullable(),
  previousUntil: Time.nullable().meta({
    description: "Time until which the previous secret is or was valid",
  }),
  revokedAt: Time.nullable(),
};

const secretExample = `toril_0mibwkq0705f60718_${"0123456789abcdef".repeat(4)}`;
const keyExample = {
  id: "0mibwkq0705f60718",
  tenant: "default",
  name: "shop",
  scopes: ["jobs:write", "jobs:read"],
  queues: null,
  types: null,
  quotas: { rate: 100, burst: 200 },
  createdAt: "2026-11-23T09:30:00.000Z",
  expiresAt: null,
  lastUsedAt: null,
  rotatedAt: null,
  previousUntil: null,
  revokedAt: null,
};

/** An API key without its secret. */
export const ApiKey = z.strictObject(fields).meta({ id: "ApiKey", example: keyExample });
export type ApiKey = z.infer<typeof ApiKey>;

export const IssuedApiKey = z
  .strictObject({
    ...fields,
    key: z.string().meta({
      description: "The API key; returned only once, only its hash is stored",
      example: secretExample,
    }),
  })
  .meta({ id: "IssuedApiKey", example: { ...keyExample, key: secretExample } });
export type IssuedApiKey = z.infer<typeof IssuedApiKey>;

export const KeyRotation = z
  .strictObject({
    graceMs: z
      .int()
      .min(0)
      .max(keyLimits.graceMs)
      .default(0)
      .meta({ description: "Milliseconds for which the previous secret stays valid" }),
  })
  .meta({ id: "KeyRotation", example: { graceMs: 3_600_000 } });
export type KeyRotation = z.output<typeof KeyRotation>;

function distinct<Item extends z.ZodType<string>>(item: Item) {
  return z
    .array(item)
    .min(1)
    .max(100)
    .refine((items) => new Set(items).size === items.length, "Duplicate items are not allowed.");
}

import { z } from "zod";
import { findRedisErrors, redisFields, redisUrl } from "./redis-config.ts";

export { ageOrOff, flag, milliseconds, parseDuration, port, wholeNumber } from "./config-fields.ts";

/** The environment is not a valid configuration; the message names every missing or invalid variable. */
export class ConfigError extends Error {}

export type Env = Readonly<Record<string, string | undefined>>;

/**
 * Parses the variables of `schema` from `env`. `<NAME>_FILE` names a file that contains the value; an empty value
 * counts as unset; without REDIS_URL, the URL is built from REDIS_HOST and REDIS_PORT. If the schema has REDIS_URL, all
 * Redis variables are cross-checked.
 * @param readFile returns the text of a file; may throw
 * @throws ConfigError
 */
export function loadEnv<Schema extends z.ZodObject>(
  schema: Schema,
  env: Env,
  readFile: (path: string) => string,
): z.output<Schema> {
  const values: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = readValue(name, env, readFile);
    if (value !== undefined) values[name] = value;
  }
  const errors = "REDIS_URL" in schema.shape ? findRedisErrors(values) : [];
  const url = values["REDIS_URL"] ?? redisUrl(values);
  if (url !== undefined) values["REDIS_URL"] = url;
  const parsed = schema.safeParse(values);
  if (!parsed.success) errors.push(...toMessages(parsed.error, values));
  if (!parsed.success || errors.length > 0) throw new ConfigError(errors.join("; "));
  return parsed.data;
}

/** Connection settings of Redis and Postgres. */
export const storeFields = {
  ...redisFields,
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: "must be a postgres:// address" })
    .describe("URL of the Postgres database: `postgres://...`"),
  BULL_PREFIX: z
    .string()
    .regex(/^[^:{}\s]+$/, "must be text without spaces, colons and braces")
    .default("bull")
    .describe("prefix of all keys in Redis"),
};

/** For processes that use only the ledger. */
export const LedgerConfig = z.object({ DATABASE_URL: storeFields.DATABASE_URL });

/** For programs that use only Redis. */
export const RedisConfig = z.object({ ...redisFields, BULL_PREFIX: storeFields.BULL_PREFIX });

function readValue(name: string, env: Env, readFile: (path: string) => string) {
  const own = env[name]?.trim() || undefined;
  const path = env[`${name}_FILE`]?.trim() || undefined;
  if (path === undefined) return own;
  if (own !== undefined) throw new ConfigError(`${name} and ${name}_FILE are both set`);
  try {
    return readFile(path).trim() || undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${name}_FILE cannot be read: ${reason}`);
  }
}

function toMessages(error: z.ZodError, values: Record<string, string>) {
  const lines = new Map<string, string>();
  for (const { path, message } of error.issues) {
    const name = String(path[0]);
    if (!lines.has(name)) {
      lines.set(name, values[name] === undefined ? `${name} is missing` : `${name} ${message}`);
    }
  }
  return [...lines.values()];
}

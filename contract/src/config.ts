import { z } from "zod";

/** The environment does not make a configuration; the message names every variable that is missing or wrong. */
export class ConfigError extends Error {}

export type Env = Readonly<Record<string, string | undefined>>;

/**
 * Reads the variables of `schema` from `env`. `<NAME>_FILE` names a file that holds the value; an empty value is
 * none; without REDIS_URL, REDIS_HOST and REDIS_PORT make one.
 * @param readFile the text of a file; may throw
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
  if (values["REDIS_URL"] === undefined && values["REDIS_HOST"] !== undefined) {
    values["REDIS_URL"] = redisUrl(values["REDIS_HOST"], values["REDIS_PORT"] ?? "6379");
  }
  const parsed = schema.safeParse(values);
  if (!parsed.success) throw new ConfigError(describe(parsed.error, values));
  return parsed.data;
}

/** Where the two stores are. */
export const storeFields = {
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: "must be a redis:// or rediss:// address" }),
  REDIS_HOST: z.string().optional(),
  REDIS_PORT: port().optional(),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: "must be a postgres:// address" }),
  BULL_PREFIX: z
    .string()
    .regex(/^[^:{}\s]+$/, "must be text without spaces, colons and braces")
    .default("bull"),
};

/** For what needs the ledger alone. */
export const LedgerConfig = z.object({ DATABASE_URL: storeFields.DATABASE_URL });

export const logLevelField = z
  .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"])
  .default("info");

export function wholeNumber(least: number, most: number): z.ZodType<number, string> {
  const error = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d+$/, error)
    .transform(Number)
    .refine((value) => value >= least && value <= most, error);
}

/** Milliseconds, up to a day. */
export function milliseconds(least: number): z.ZodType<number, string> {
  return wholeNumber(least, 86_400_000);
}

/** 0 lets the system choose. */
export function port(): z.ZodType<number, string> {
  return wholeNumber(0, 65_535);
}

export const flag: z.ZodType<boolean, string> = z.stringbool({
  error: "must be true or false",
});

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

function redisUrl(host: string, portText: string) {
  return `redis://${host.includes(":") ? `[${host}]` : host}:${portText}`;
}

function describe(error: z.ZodError, values: Record<string, string>) {
  const lines = new Map<string, string>();
  for (const { path, message } of error.issues) {
    const name = String(path[0]);
    if (!lines.has(name)) {
      lines.set(name, values[name] === undefined ? `${name} is missing` : `${name} ${message}`);
    }
  }
  return [...lines.values()].join("; ");
}

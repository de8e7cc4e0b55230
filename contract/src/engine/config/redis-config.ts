import { z } from "zod";
import { flag, port } from "./config-fields.ts";

export interface Address {
  host: string;
  port: number;
}

interface Tls {
  ca?: string;
  cert?: string;
  key?: string;
}

interface Access {
  username?: string;
  password?: string;
  tls?: Tls;
}

interface SentinelAccess extends Access {
  sentinels: Address[];
  /** Name of the master that the Sentinels monitor. */
  name: string;
  sentinelUsername?: string;
  sentinelPassword?: string;
  sentinelTLS?: Tls;
  enableTLSForSentinelMode?: true;
}

/** The Redis deployment, as options for an ioredis client. */
export type RedisServers =
  | { kind: "single"; url: string; options: Access }
  | { kind: "sentinel"; options: SentinelAccess }
  | { kind: "cluster"; nodes: Address[]; options: Access };

const pem = z.string().startsWith("-----BEGIN ", "must be PEM text; <NAME>_FILE names a file");

/** Variables for one of three deployments: a single Redis, Redis Sentinel or Redis Cluster. */
export const redisFields = {
  REDIS_URL: z
    .url({ protocol: /^rediss?$/, error: "must be a redis:// or rediss:// address" })
    .optional()
    .describe("`redis://` or `rediss://`; Redis 6.2 or newer, with `maxmemory-policy noeviction`"),
  REDIS_HOST: z.string().optional().describe("host, with `REDIS_PORT`, instead of `REDIS_URL`"),
  REDIS_PORT: port().optional().describe("port of `REDIS_HOST`; 6379 by default"),
  REDIS_SENTINELS: addresses(26379)
    .optional()
    .describe("Sentinels, instead of `REDIS_URL`: `host:port,host:port`"),
  REDIS_SENTINEL_MASTER: z
    .string()
    .optional()
    .describe("name of the master that the Sentinels monitor"),
  REDIS_SENTINEL_USERNAME: z
    .string()
    .optional()
    .describe("user for Sentinels that check authentication"),
  REDIS_SENTINEL_PASSWORD: z
    .string()
    .optional()
    .describe("password for Sentinels that check authentication"),
  REDIS_CLUSTER_NODES: addresses(6379)
    .optional()
    .describe("some nodes of a Redis Cluster, instead of `REDIS_URL`: `host:port,host:port`"),
  REDIS_USERNAME: z.string().optional().describe("user, unless `REDIS_URL` contains one"),
  REDIS_PASSWORD: z.string().optional().describe("password, unless `REDIS_URL` contains one"),
  REDIS_TLS: flag
    .optional()
    .describe(
      "uses TLS with `REDIS_HOST`, Sentinels or a Cluster; for `REDIS_URL`, use `rediss://`",
    ),
  REDIS_TLS_CA: pem
    .optional()
    .describe("certificate of the authority that signed the server's certificate, as PEM text"),
  REDIS_TLS_CERT: pem.optional().describe("client certificate, as PEM text"),
  REDIS_TLS_KEY: pem.optional().describe("private key of the client certificate, as PEM text"),
};

type RedisVariables = z.output<z.ZodObject<typeof redisFields>>;

type Values = Readonly<Record<string, string | undefined>>;

/** Cross-checks the Redis variables; returns a message for each missing or contradicting variable. */
export function findRedisErrors(values: Values): string[] {
  const has = (name: keyof RedisVariables) => values[name] !== undefined;
  const address = has("REDIS_URL") ? "REDIS_URL" : "REDIS_HOST";
  const deployments = ([address, "REDIS_SENTINELS", "REDIS_CLUSTER_NODES"] as const).filter(has);
  if (deployments.length === 0) return ["REDIS_URL is missing"];
  if (deployments.length > 1) return [`${deployments.join(" and ")} are both set`];

  const url = parseUrl(values["REDIS_URL"]);
  const isEncrypted = url ? url.protocol === "rediss:" : isTrue(values["REDIS_TLS"]);
  const errors: string[] = [];
  const check = (isMet: boolean, error: string) => void (isMet || errors.push(error));
  const requireOther = (name: keyof RedisVariables, other: keyof RedisVariables) =>
    check(!has(name) || has(other), `${name} needs ${other}`);

  check(
    !has("REDIS_SENTINELS") || has("REDIS_SENTINEL_MASTER"),
    "REDIS_SENTINEL_MASTER is missing",
  );
  requireOther("REDIS_SENTINEL_MASTER", "REDIS_SENTINELS");
  requireOther("REDIS_SENTINEL_PASSWORD", "REDIS_SENTINELS");
  requireOther("REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD");
  requireOther("REDIS_USERNAME", "REDIS_PASSWORD");
  check(
    !has("REDIS_PASSWORD") || !url?.password,
    "REDIS_PASSWORD and a password in REDIS_URL are both set",
  );
  check(
    !has("REDIS_TLS") || !url,
    "REDIS_TLS and REDIS_URL are both set: use redis:// or rediss://",
  );
  for (const name of ["REDIS_TLS_CA", "REDIS_TLS_CERT", "REDIS_TLS_KEY"] as const) {
    check(!has(name) || isEncrypted, `${name} needs ${url ? "a rediss:// address" : "REDIS_TLS"}`);
  }
  requireOther("REDIS_TLS_CERT", "REDIS_TLS_KEY");
  requireOther("REDIS_TLS_KEY", "REDIS_TLS_CERT");
  return errors;
}

/** Converts variables that `findRedisErrors` accepts into client options. */
export function toRedisServers(variables: RedisVariables): RedisServers {
  const options = toAccess(variables);
  if (variables.REDIS_CLUSTER_NODES !== undefined) {
    return { kind: "cluster", nodes: variables.REDIS_CLUSTER_NODES, options };
  }
  if (variables.REDIS_SENTINELS === undefined) {
    return { kind: "single", url: variables.REDIS_URL ?? "", options };
  }
  const { tls } = options;
  return {
    kind: "sentinel",
    options: {
      ...options,
      sentinels: variables.REDIS_SENTINELS,
      name: variables.REDIS_SENTINEL_MASTER ?? "",
      ...named("sentinelUsername", variables.REDIS_SENTINEL_USERNAME),
      ...named("sentinelPassword", variables.REDIS_SENTINEL_PASSWORD),
      ...(tls && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    },
  };
}

/** Builds a Redis URL from `REDIS_HOST` and `REDIS_PORT`; undefined without `REDIS_HOST`. */
export function redisUrl(values: Values): string | undefined {
  const { REDIS_HOST: host, REDIS_PORT: portText = "6379", REDIS_TLS: tls } = values;
  if (host === undefined) return undefined;
  const protocol = isTrue(tls) ? "rediss" : "redis";
  return `${protocol}://${host.includes(":") ? `[${host}]` : host}:${portText}`;
}

function toAccess(variables: RedisVariables): Access {
  const isEncrypted = variables.REDIS_TLS ?? variables.REDIS_URL?.startsWith("rediss:") ?? false;
  return {
    ...named("username", variables.REDIS_USERNAME),
    ...named("password", variables.REDIS_PASSWORD),
    ...(isEncrypted && {
      tls: {
        ...named("ca", variables.REDIS_TLS_CA),
        ...named("cert", variables.REDIS_TLS_CERT),
        ...named("key", variables.REDIS_TLS_KEY),
      },
    }),
  };
}

function named<Name extends string, Value>(name: Name, value: Value | undefined) {
  return (value === undefined ? {} : { [name]: value }) as Partial<Record<Name, Value>>;
}

/** Parses a comma-separated list of `host:port`. */
function addresses(defaultPort: number): z.ZodType<Address[], string> {
  const error = "must be a list of host:port";
  return z.string().transform((text, context) =>
    text.split(",").map((part): Address => {
      const url = parseUrl(`redis://${part.trim()}`);
      if (url && url.hostname !== "" && url.host === part.trim()) {
        const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
        return { host, port: url.port === "" ? defaultPort : Number(url.port) };
      }
      context.addIssue(error);
      return z.NEVER;
    }),
  );
}

function parseUrl(text: string | undefined): URL | undefined {
  return text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
}

function isTrue(text: string | undefined): boolean {
  return flag.safeParse(text).data ?? false;
}

import { z } from "zod";
import { flag, port } from "./config-fields.ts";

interface Address {
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
    .describe("`redis://` or `rediss://`; 6.2 or newer, `maxmemory-policy noeviction`"),
  REDIS_HOST: z.string().optional().describe("with `REDIS_PORT` instead of `REDIS_URL`"),
  REDIS_PORT: port().optional().describe("6379 beside a `REDIS_HOST`"),
  REDIS_SENTINELS: addresses(26379)
    .optional()
    .describe("instead of `REDIS_URL`: `host:port,host:port`"),
  REDIS_SENTINEL_MASTER: z
    .string()
    .optional()
    .describe("the name of the master that Sentinels watch"),
  REDIS_SENTINEL_USERNAME: z.string().optional().describe("for Sentinels that ask for one"),
  REDIS_SENTINEL_PASSWORD: z.string().optional().describe("for Sentinels that ask for one"),
  REDIS_CLUSTER_NODES: addresses(6379)
    .optional()
    .describe("instead of `REDIS_URL`: some nodes of a Cluster, `host:port,host:port`"),
  REDIS_USERNAME: z.string().optional().describe("when it is not in `REDIS_URL`"),
  REDIS_PASSWORD: z.string().optional().describe("when it is not in `REDIS_URL`"),
  REDIS_TLS: flag.optional().describe("TLS without a `rediss://`"),
  REDIS_TLS_CA: pem
    .optional()
    .describe("the authority that signed the server's certificate, as PEM text"),
  REDIS_TLS_CERT: pem.optional().describe("the client's certificate, as PEM text"),
  REDIS_TLS_KEY: pem.optional().describe("the client's key, as PEM text"),
};

type RedisVariables = z.output<z.ZodObject<typeof redisFields>>;

type Values = Readonly<Record<string, string | undefined>>;

/** Cross-checks the Redis variables; returns a message for each missing or contradicting variable. */
export function complaintsAboutRedis(values: Values): string[] {
  const has = (name: keyof RedisVariables) => values[name] !== undefined;
  const address = has("REDIS_URL") ? "REDIS_URL" : "REDIS_HOST";
  const ways = ([address, "REDIS_SENTINELS", "REDIS_CLUSTER_NODES"] as const).filter(has);
  if (ways.length === 0) return ["REDIS_URL is missing"];
  if (ways.length > 1) return [`${ways.join(" and ")} are both set`];

  const url = parseUrl(values["REDIS_URL"]);
  const isEncrypted = url ? url.protocol === "rediss:" : isTrue(values["REDIS_TLS"]);
  const complaints: string[] = [];
  const must = (isSo: boolean, otherwise: string) => void (isSo || complaints.push(otherwise));
  const needs = (name: keyof RedisVariables, other: keyof RedisVariables) =>
    must(!has(name) || has(other), `${name} needs ${other}`);

  must(!has("REDIS_SENTINELS") || has("REDIS_SENTINEL_MASTER"), "REDIS_SENTINEL_MASTER is missing");
  needs("REDIS_SENTINEL_MASTER", "REDIS_SENTINELS");
  needs("REDIS_SENTINEL_PASSWORD", "REDIS_SENTINELS");
  needs("REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD");
  needs("REDIS_USERNAME", "REDIS_PASSWORD");
  must(
    !has("REDIS_PASSWORD") || !url?.password,
    "REDIS_PASSWORD and the one of REDIS_URL are both set",
  );
  must(!has("REDIS_TLS") || !url, "REDIS_TLS is said by REDIS_URL: redis:// or rediss://");
  for (const name of ["REDIS_TLS_CA", "REDIS_TLS_CERT", "REDIS_TLS_KEY"] as const) {
    must(!has(name) || isEncrypted, `${name} needs ${url ? "a rediss:// address" : "REDIS_TLS"}`);
  }
  needs("REDIS_TLS_CERT", "REDIS_TLS_KEY");
  needs("REDIS_TLS_KEY", "REDIS_TLS_CERT");
  return complaints;
}

/** Converts variables that `complaintsAboutRedis` accepts into client options. */
export function redisServers(given: RedisVariables): RedisServers {
  const options = accessOf(given);
  if (given.REDIS_CLUSTER_NODES !== undefined) {
    return { kind: "cluster", nodes: given.REDIS_CLUSTER_NODES, options };
  }
  if (given.REDIS_SENTINELS === undefined) {
    return { kind: "single", url: given.REDIS_URL ?? "", options };
  }
  const { tls } = options;
  return {
    kind: "sentinel",
    options: {
      ...options,
      sentinels: given.REDIS_SENTINELS,
      name: given.REDIS_SENTINEL_MASTER ?? "",
      ...named("sentinelUsername", given.REDIS_SENTINEL_USERNAME),
      ...named("sentinelPassword", given.REDIS_SENTINEL_PASSWORD),
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

function accessOf(given: RedisVariables): Access {
  const isEncrypted = given.REDIS_TLS ?? given.REDIS_URL?.startsWith("rediss:") ?? false;
  return {
    ...named("username", given.REDIS_USERNAME),
    ...named("password", given.REDIS_PASSWORD),
    ...(isEncrypted && {
      tls: {
        ...named("ca", given.REDIS_TLS_CA),
        ...named("cert", given.REDIS_TLS_CERT),
        ...named("key", given.REDIS_TLS_KEY),
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
